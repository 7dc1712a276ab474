package pack

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	plainVersion = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]*$`)
	described    = regexp.MustCompile(`^(.+)-([0-9]+)-(g[0-9a-f]+)$`)
)

// Version turns a build's version into one that dpkg and rpm both accept and order rightly: "v1.2.0" is 1.2.0,
// a pre-release "1.2.0-rc.1" sorts before it as 1.2.0~rc.1, "1.2.0-3-gabc1234" (git describe) after it as
// 1.2.0+3.gabc1234, and a word such as "dev" before everything as 0~dev.
func Version(build string) (string, error) {
	version, dirty := strings.CutSuffix(strings.TrimPrefix(build, "v"), "-dirty")
	suffix := ""
	if m := described.FindStringSubmatch(version); m != nil {
		version, suffix = m[1], "+"+m[2]+"."+m[3]
	}
	if dirty {
		suffix += "+dirty"
	}
	if version != "" && (version[0] < '0' || version[0] > '9') {
		version = "0~" + version
	}
	if release, pre, found := strings.Cut(version, "-"); found {
		version = release + "~" + strings.ReplaceAll(pre, "-", ".")
	}
	version += suffix
	if !plainVersion.MatchString(version) {
		return "", fmt.Errorf("cannot make a package version of %q", build)
	}
	return version, nil
}
