package check

import (
	"strconv"
	"strings"
)

// What is old.
const (
	oldKernel    = "3.10"
	oldestKernel = "2.6.32"
	oldGlibc     = "2.17"
	lowEntropy   = 200 // bits
)

func accessControl(s *subject) Verdict {
	switch {
	case s.SELinux == "permissive":
		return warn("permissive")
	case s.SELinux != "":
		return is("selinux")
	case s.AppArmor > 0:
		return is("apparmor", "Profiles", strconv.Itoa(s.AppArmor))
	}
	return pass()
}

func packages(s *subject) Verdict {
	switch {
	case s.Packages.Manager == "":
		return is("none")
	case s.Packages.Broken != "":
		return fail("broken", "Manager", s.Packages.Manager, "Said", s.Packages.Broken)
	}
	return pass("Manager", s.Packages.Manager)
}

func kernel(s *subject) Verdict {
	switch {
	case s.Kernel == "":
		return untold
	case older(s.Kernel, oldestKernel):
		return fail("old", "Version", s.Kernel, "Least", oldKernel)
	case older(s.Kernel, oldKernel):
		return warn("old", "Version", s.Kernel, "Least", oldKernel)
	}
	return pass("Version", s.Kernel)
}

func glibc(s *subject) Verdict {
	switch {
	case s.Glibc == "":
		return is("other")
	case older(s.Glibc, oldGlibc):
		return warn("old", "Version", s.Glibc, "Least", oldGlibc)
	}
	return pass("Version", s.Glibc)
}

// older compares the numbers at the beginnings of two versions.
func older(version, than string) bool {
	have, want := numbers(version), numbers(than)
	for i := range want {
		switch {
		case i >= len(have) || have[i] < want[i]:
			return i < len(have) || want[i] > 0
		case have[i] > want[i]:
			return false
		}
	}
	return false
}

// numbers are those that a version begins with: 5, 10, 0 of "5.10.0-18-amd64".
func numbers(version string) (all []int) {
	for part := range strings.SplitSeq(version, ".") {
		digits := len(part) - len(strings.TrimLeft(part, "0123456789"))
		n, err := strconv.Atoi(part[:digits])
		if err != nil {
			break
		}
		if all = append(all, n); digits < len(part) {
			break
		}
	}
	return all
}

func reboot(s *subject) Verdict {
	if s.Reboot {
		return warn("needed")
	}
	return pass()
}

func entropy(s *subject) Verdict {
	if s.Entropy == nil {
		return untold
	}
	args := []string{"Bits", strconv.Itoa(*s.Entropy)}
	if *s.Entropy < lowEntropy {
		return warn("low", args...)
	}
	return pass(args...)
}

func java(s *subject) Verdict {
	args := []string{"Homes", list(s.Java)}
	switch len(s.Java) {
	case 0:
		return is("none")
	case 1:
		return pass(args...)
	}
	return warn("several", args...)
}

func leftovers(s *subject) Verdict {
	if len(s.Leftovers) > 0 {
		return warn("found", "Found", strings.Join(s.Leftovers, ", "))
	}
	return pass()
}
