package check

import (
	"path/filepath"
	"slices"
	"strings"
)

// maxLeftovers bounds each list of paths.
const maxLeftovers = 10

// managers are what other managers of hosts leave behind.
var managers = []string{
	"etc/ambari-agent", "var/lib/ambari-agent", "usr/hdp", "etc/hadoop", "etc/hbase", "etc/hive", "etc/zookeeper", "opt/cloudera", "etc/cloudera-scm-agent",
	"etc/puppetlabs", "etc/puppet", "etc/chef", "opt/chef", "etc/salt/minion_id", "etc/rancher", "etc/kubernetes", "var/lib/rancher", "opt/bigtop",
}

// managersUsers are the accounts that they make.
var managersUsers = []string{
	"hdfs", "yarn", "mapred", "hive", "hbase", "zookeeper", "ambari-qa", "oozie", "spark",
	"kafka", "cloudera-scm", "impala", "storm",
}

// leftovers looks for what other managers have left, and for Java.
func (l *look) leftovers() {
	for _, path := range managers {
		if l.exists(path) && len(l.found.Leftovers) < maxLeftovers {
			l.found.Leftovers = append(l.found.Leftovers, "/"+path)
		}
	}
	for _, line := range l.lines("etc/passwd") {
		name, _, _ := strings.Cut(line, ":")
		if slices.Contains(managersUsers, name) && len(l.found.Leftovers) < 2*maxLeftovers {
			l.found.Leftovers = append(l.found.Leftovers, "user "+name)
		}
	}
	for _, pattern := range []string{"usr/lib/jvm/*/bin/java", "usr/java/*/bin/java", "opt/*/bin/java"} {
		found, _ := filepath.Glob(filepath.Join(l.Root, pattern)) // the pattern is sound
		for _, path := range found {
			if len(l.found.Java) < maxLeftovers/2 {
				home := strings.TrimPrefix(strings.TrimSuffix(path, "/bin/java"), strings.TrimSuffix(l.Root, "/"))
				l.found.Java = append(l.found.Java, clip(home))
			}
		}
	}
}
