package hostlist

import "go.yaml.in/yaml/v3"

// maxDepth bounds how deep groups are nested.
const maxDepth = 16

// ansibleYAML reads an inventory in its YAML form.
func (i *importer) ansibleYAML(text string) {
	var top map[string]yamlGroup
	if err := yaml.Unmarshal([]byte(text), &top); err != nil {
		i.note(0, CodeImportBroken, err.Error())
		return
	}
	// Decoding into maps loses the order of the hosts; the document has it.
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return
	}
	v := newInventory()
	eachYAML(doc.Content[0], func(name string, node *yaml.Node) { v.yamlGroup(name, node, maxDepth) })
	i.inventoryHosts(v)
}

// yamlGroup checks the shape of a group.
type yamlGroup struct {
	Hosts    map[string]map[string]any `yaml:"hosts"`
	Vars     map[string]any            `yaml:"vars"`
	Children map[string]yamlGroup      `yaml:"children"`
}

func (v *inventory) yamlGroup(name string, node *yaml.Node, depth int) {
	g := v.group(name)
	if depth == 0 {
		return
	}
	eachYAML(node, func(key string, value *yaml.Node) {
		switch key {
		case "vars":
			yamlVariables(value, g.vars)
		case "hosts":
			eachYAML(value, func(host string, vars *yaml.Node) { yamlVariables(vars, v.host(host, name, vars.Line).vars) })
		case "children":
			eachYAML(value, func(child string, below *yaml.Node) {
				c := v.group(child)
				c.parents = append(c.parents, name)
				v.yamlGroup(child, below, depth-1)
			})
		}
	})
}

// yamlVariables takes the plain values of a mapping; lists and mappings are nothing for a list of hosts.
func yamlVariables(node *yaml.Node, to map[string]string) {
	eachYAML(node, func(name string, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode {
			to[name] = value.Value
		}
	})
}

func eachYAML(node *yaml.Node, do func(key string, value *yaml.Node)) {
	if node == nil || node.Kind != yaml.MappingNode {
		return
	}
	for j := 0; j+1 < len(node.Content); j += 2 {
		do(node.Content[j].Value, node.Content[j+1])
	}
}
