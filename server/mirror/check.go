package mirror

import (
	"fmt"
	"strings"

	"github.com/robfig/cron/v3"

	"hostler/repo"
	"hostler/repo/upstream"
)

// Bounds of a definition.
const (
	mostPatterns  = 2000
	mostWords     = 32
	mostKeys      = 256 << 10 // bytes
	leastByte     = 1 << 10   // bytes a second
	mostNewest    = 1000
	mostAddresses = 2000 // bytes of a URL
)

// check says what is wrong with a request, fills what it leaves open and returns the channel's name.
func (m *Mirrors) check(in *Request) (channel string, err error) {
	r, err := m.Repo.Repository(in.Repository)
	if err != nil {
		return "", err
	}
	switch {
	case r.Own:
		return "", &FieldError{"repository", "own", "the server's own repositories are what it makes them"}
	case r.Kind != repo.Apt && r.Kind != repo.Yum:
		return "", &FieldError{"repository", "kind", "only repositories of the kinds apt and yum can be mirrors"}
	}
	c, err := m.Repo.Channel(in.Repository, in.Channel)
	if err != nil {
		return "", err
	}
	in.Kind = string(r.Kind)
	if len(in.Architectures) == 0 {
		in.Architectures = r.Architectures
	}
	for _, wrong := range []*FieldError{checkSource(&in.Definition), m.checkTrust(&in.Definition), checkFilter(&in.Definition), checkWay(&in.Definition)} {
		if wrong != nil {
			return "", wrong
		}
	}
	return c.Name, nil
}

func checkSource(d *Definition) *FieldError {
	d.URL = strings.TrimSpace(d.URL)
	if _, err := upstream.ParseURL(d.URL); err != nil || len(d.URL) > mostAddresses {
		return &FieldError{"url", "url", "an upstream's address begins with http:// or https:// and has no name, password, ? or # in it"}
	}
	if d.Kind == upstream.Yum && (d.Suite != "" || len(d.Components) > 0) {
		return &FieldError{"suite", "suite", "yum repositories have no suite and no components"}
	}
	if d.Kind == upstream.Apt {
		if wrong := checkWords("suite", []string{d.Suite}, 1); wrong != nil {
			return &FieldError{"suite", "suite", "an apt repository has a suite, such as bookworm; it is the name below dists/"}
		}
	}
	if wrong := checkWords("component", d.Components, mostWords); wrong != nil {
		return &FieldError{"components", "component", wrong.Message}
	}
	if wrong := checkWords("architecture", d.Architectures, mostWords); wrong != nil {
		return &FieldError{"architectures", "architecture", wrong.Message}
	}
	return nil
}

func (m *Mirrors) checkTrust(d *Definition) *FieldError {
	switch d.Trust {
	case "":
		d.Trust = upstream.TrustIndex
	case upstream.TrustIndex, upstream.TrustNothing:
	case upstream.TrustPackages:
		if d.Kind != upstream.Yum {
			return &FieldError{"trust", "trust", "only rpms have a signature each; of an apt repository the index has one"}
		}
	default:
		return &FieldError{"trust", "trust", "what vouches for it is index, packages or nothing"}
	}
	d.Keys = strings.TrimSpace(d.Keys)
	switch {
	case d.Trust == upstream.TrustNothing && d.Keys != "":
		return &FieldError{"keys", "keys", "a key is of no use where nothing is held against it"}
	case d.Trust == upstream.TrustNothing:
		return nil
	case d.Keys == "":
		return &FieldError{"keys", "keys_needed", "the upstream's public key is needed"}
	case len(d.Keys) > mostKeys:
		return &FieldError{"keys", "keys", fmt.Sprintf("the keys have more than %d bytes", mostKeys)}
	}
	if _, err := upstream.ReadKeys(d.Keys, m.Now); err != nil {
		return &FieldError{"keys", "keys", err.Error()}
	}
	return nil
}

func checkFilter(d *Definition) *FieldError {
	for field, texts := range map[string][]string{"packages": d.Packages, "exclude": d.Exclude} {
		if len(texts) > mostPatterns {
			return &FieldError{field, "package", fmt.Sprintf("there are more than %d", mostPatterns)}
		}
		for _, text := range texts {
			if err := upstream.CheckPattern(text); err != nil {
				return &FieldError{field, "package", err.Error()}
			}
		}
	}
	if d.Newest < 0 || d.Newest > mostNewest {
		return &FieldError{"newest", "newest", fmt.Sprintf("this is a number of versions, at most %d, or 0 for all", mostNewest)}
	}
	return nil
}

// checkWay looks at when and how the upstream is reached.
func checkWay(d *Definition) *FieldError {
	if d.OnDemand && d.Kind != upstream.Apt {
		return &FieldError{"on_demand", "on_demand", "only debs can be fetched on demand: an rpm is signed anew before it is listed"}
	}
	d.Schedule, d.Proxy = strings.TrimSpace(d.Schedule), strings.TrimSpace(d.Proxy)
	if d.Schedule != "" {
		if _, err := cron.ParseStandard(d.Schedule); err != nil || len(d.Schedule) > 100 || strings.Contains(d.Schedule, "TZ=") || strings.HasPrefix(d.Schedule, "@every") {
			return &FieldError{"schedule", "schedule", "a schedule has cron's five fields, such as 30 2 * * *, or is @daily, @weekly or @hourly; it is in UTC"}
		}
	}
	if d.Proxy != "" {
		if _, err := upstream.ParseURL(d.Proxy); err != nil || len(d.Proxy) > mostAddresses {
			return &FieldError{"proxy", "proxy", "a proxy's address begins with http:// or https:// and has no name and password in it"}
		}
	}
	if d.Bandwidth != 0 && d.Bandwidth < leastByte {
		return &FieldError{"bandwidth", "bandwidth", "a bandwidth is 1024 bytes a second or more, or 0 for as fast as it goes"}
	}
	return nil
}
