package distro_test

import (
	"testing"

	"hostler/internal/distro"
)

// TestDetect has what real systems say, one for each row of the table and for each other way.
func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		release distro.Release
		want    distro.System
	}{
		"Red Hat": {
			distro.Release{OS: "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"9.4 (Plow)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\nPLATFORM_ID=\"platform:el9\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"\n"},
			distro.System{Family: distro.RHEL, ID: "rhel", Name: "Red Hat Enterprise Linux 9.4 (Plow)", Version: "9.4", Major: "9"},
		},
		"CentOS": {
			distro.Release{OS: "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n", RedHat: "CentOS Linux release 7.9.2009 (Core)\n"},
			distro.System{Family: distro.RHEL, ID: "centos", Name: "CentOS Linux 7 (Core)", Version: "7", Major: "7"},
		},
		"CentOS before os-release": {
			distro.Release{RedHat: "CentOS release 6.10 (Final)\n"},
			distro.System{Family: distro.RHEL, ID: "centos", Name: "CentOS release 6.10 (Final)", Version: "6.10", Major: "6"},
		},
		"Red Hat before os-release": {
			distro.Release{RedHat: "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n"},
			distro.System{Family: distro.RHEL, ID: "rhel", Name: "Red Hat Enterprise Linux Server release 6.9 (Santiago)", Version: "6.9", Major: "6"},
		},
		"a release without a number": {
			distro.Release{RedHat: "Red Hat Enterprise Linux release .9 (Plow)\n"},
			distro.System{Family: distro.Other},
		},
		"no release": {
			distro.Release{RedHat: "release 6.9\n"},
			distro.System{Family: distro.Other},
		},
		"Rocky": {
			distro.Release{OS: "NAME=\"Rocky Linux\"\nVERSION=\"9.3 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"Rocky Linux 9.3 (Blue Onyx)\"\n"},
			distro.System{Family: distro.RHEL, ID: "rocky", Name: "Rocky Linux 9.3 (Blue Onyx)", Version: "9.3", Major: "9"},
		},
		"Alma": {
			distro.Release{OS: "NAME=\"AlmaLinux\"\nVERSION=\"8.9 (Midnight Oncilla)\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\nPRETTY_NAME=\"AlmaLinux 8.9 (Midnight Oncilla)\"\n"},
			distro.System{Family: distro.RHEL, ID: "almalinux", Name: "AlmaLinux 8.9 (Midnight Oncilla)", Version: "8.9", Major: "8"},
		},
		"Oracle": {
			distro.Release{OS: "NAME=\"Oracle Linux Server\"\nVERSION=\"8.8\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.8\"\nPRETTY_NAME=\"Oracle Linux Server 8.8\"\n"},
			distro.System{Family: distro.RHEL, ID: "ol", Name: "Oracle Linux Server 8.8", Version: "8.8", Major: "8"},
		},
		"Fedora": {
			distro.Release{OS: "NAME=\"Fedora Linux\"\nVERSION=\"40 (Server Edition)\"\nID=fedora\nVERSION_ID=40\nPRETTY_NAME=\"Fedora Linux 40 (Server Edition)\"\n"},
			distro.System{Family: distro.RHEL, ID: "fedora", Name: "Fedora Linux 40 (Server Edition)", Version: "40", Major: "40"},
		},
		"Amazon": {
			distro.Release{OS: "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n"},
			distro.System{Family: distro.RHEL, ID: "amzn", Name: "Amazon Linux 2023", Version: "2023", Major: "2023"},
		},
		"openEuler": {
			distro.Release{OS: "NAME=\"openEuler\"\nVERSION=\"22.03 (LTS-SP3)\"\nID=\"openEuler\"\nVERSION_ID=\"22.03\"\nPRETTY_NAME=\"openEuler 22.03 (LTS-SP3)\"\n"},
			distro.System{Family: distro.RHEL, ID: "openeuler", Name: "openEuler 22.03 (LTS-SP3)", Version: "22.03", Major: "22"},
		},
		"Anolis": {
			distro.Release{OS: "NAME=\"Anolis OS\"\nVERSION=\"8.8\"\nID=\"anolis\"\nID_LIKE=\"rhel fedora centos\"\nVERSION_ID=\"8.8\"\nPRETTY_NAME=\"Anolis OS 8.8\"\n"},
			distro.System{Family: distro.RHEL, ID: "anolis", Name: "Anolis OS 8.8", Version: "8.8", Major: "8"},
		},
		"Kylin server": {
			distro.Release{OS: "NAME=\"Kylin Linux Advanced Server\"\nVERSION=\"V10 (Sword)\"\nID=\"kylin\"\nVERSION_ID=\"V10\"\nPRETTY_NAME=\"Kylin Linux Advanced Server V10 (Sword)\"\n"},
			distro.System{Family: distro.RHEL, ID: "kylin", Name: "Kylin Linux Advanced Server V10 (Sword)", Version: "10", Major: "10"},
		},
		"Kylin desktop": {
			distro.Release{OS: "NAME=\"Kylin\"\nVERSION=\"银河麒麟桌面操作系统V10 (SP1)\"\nID=kylin\nID_LIKE=debian\nPRETTY_NAME=\"Kylin V10 SP1\"\nVERSION_ID=\"v10\"\n"},
			distro.System{Family: distro.Debian, ID: "kylin", Name: "Kylin V10 SP1", Version: "10", Major: "10"},
		},
		"UOS server": {
			distro.Release{OS: "NAME=\"UnionTech OS Server 20\"\nVERSION=\"20\"\nID=\"uos\"\nVERSION_ID=\"20\"\nPLATFORM_ID=\"platform:uel20\"\nPRETTY_NAME=\"UnionTech OS Server 20\"\n"},
			distro.System{Family: distro.RHEL, ID: "uos", Name: "UnionTech OS Server 20", Version: "20", Major: "20"},
		},
		"UOS server that does not say so": {
			distro.Release{OS: "NAME=\"UnionTech OS 20\"\nVERSION=\"20\"\nID=uos\nVERSION_ID=\"20\"\nPLATFORM_ID=\"platform:uel20\"\nPRETTY_NAME=\"UnionTech OS 20\"\n"},
			distro.System{Family: distro.RHEL, ID: "uos", Name: "UnionTech OS 20", Version: "20", Major: "20"},
		},
		"UOS desktop": {
			distro.Release{OS: "PRETTY_NAME=\"UnionTech OS Desktop 20 Pro\"\nNAME=\"uos\"\nVERSION_ID=\"20\"\nVERSION=\"20\"\nID=uos\nHOME_URL=\"https://www.chinauos.com/\"\n"},
			distro.System{Family: distro.Debian, ID: "uos", Name: "UnionTech OS Desktop 20 Pro", Version: "20", Major: "20"},
		},
		"Deepin": {
			distro.Release{OS: "PRETTY_NAME=\"Deepin 20.9\"\nNAME=\"Deepin\"\nVERSION_ID=\"20.9\"\nVERSION=\"20.9\"\nID=Deepin\n"},
			distro.System{Family: distro.Debian, ID: "deepin", Name: "Deepin 20.9", Version: "20.9", Major: "20"},
		},
		"Leap": {
			distro.Release{OS: "NAME=\"openSUSE Leap\"\nVERSION=\"15.5\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"openSUSE Leap 15.5\"\n"},
			distro.System{Family: distro.SUSE, ID: "opensuse-leap", Name: "openSUSE Leap 15.5", Version: "15.5", Major: "15"},
		},
		"Tumbleweed": {
			distro.Release{OS: "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\nVERSION_ID=\"20240512\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"\n"},
			distro.System{Family: distro.SUSE, ID: "opensuse-tumbleweed", Name: "openSUSE Tumbleweed", Version: "20240512", Major: "20240512"},
		},
		"SLES": {
			distro.Release{OS: "NAME=\"SLES\"\nVERSION=\"15-SP5\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"\nID=\"sles\"\nID_LIKE=\"suse\"\n"},
			distro.System{Family: distro.SUSE, ID: "sles", Name: "SUSE Linux Enterprise Server 15 SP5", Version: "15.5", Major: "15"},
		},
		"SLED": {
			distro.Release{OS: "NAME=\"SLED\"\nVERSION=\"15-SP4\"\nVERSION_ID=\"15.4\"\nPRETTY_NAME=\"SUSE Linux Enterprise Desktop 15 SP4\"\nID=\"sled\"\nID_LIKE=\"suse\"\n"},
			distro.System{Family: distro.SUSE, ID: "sled", Name: "SUSE Linux Enterprise Desktop 15 SP4", Version: "15.4", Major: "15"},
		},
		"SLES before os-release": {
			distro.Release{SUSE: "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"},
			distro.System{Family: distro.SUSE, ID: "sles", Name: "SUSE Linux Enterprise Server 11 (x86_64)", Version: "11.4", Major: "11"},
		},
		"Debian": {
			distro.Release{OS: "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n", Debian: "12.11\n"},
			distro.System{Family: distro.Debian, ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12.11", Major: "12"},
		},
		"Debian before its release": {
			distro.Release{OS: "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n", Debian: "trixie/sid\n"},
			distro.System{Family: distro.Debian, ID: "debian", Name: "Debian GNU/Linux trixie/sid"},
		},
		"Debian before os-release": {
			distro.Release{Debian: "6.0.10\n"},
			distro.System{Family: distro.Debian, ID: "debian", Name: "Debian 6.0.10", Version: "6.0.10", Major: "6"},
		},
		"Ubuntu": {
			distro.Release{OS: "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.4 LTS (Jammy Jellyfish)\"\nID=ubuntu\nID_LIKE=debian\n", Debian: "bookworm/sid\n"},
			distro.System{Family: distro.Debian, ID: "ubuntu", Name: "Ubuntu 22.04.4 LTS", Version: "22.04", Major: "22"},
		},
		"Ubuntu by lsb-release": {
			distro.Release{LSB: "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n", Debian: "squeeze/sid\n"},
			distro.System{Family: distro.Debian, ID: "ubuntu", Name: "Ubuntu 10.04.4 LTS", Version: "10.04", Major: "10"},
		},
		"Raspberry Pi OS": {
			distro.Release{OS: "PRETTY_NAME=\"Raspbian GNU/Linux 11 (bullseye)\"\nNAME=\"Raspbian GNU/Linux\"\nVERSION_ID=\"11\"\nVERSION=\"11 (bullseye)\"\nID=raspbian\nID_LIKE=debian\n"},
			distro.System{Family: distro.Debian, ID: "raspbian", Name: "Raspbian GNU/Linux 11 (bullseye)", Version: "11", Major: "11"},
		},
		"Mint, through ID_LIKE": {
			distro.Release{OS: "NAME=\"Linux Mint\"\nVERSION=\"21.3 (Virginia)\"\nID=linuxmint\nID_LIKE='ubuntu debian'\nPRETTY_NAME=\"Linux Mint 21.3\"\nVERSION_ID=\"21.3\"\n"},
			distro.System{Family: distro.Debian, ID: "linuxmint", Name: "Linux Mint 21.3", Version: "21.3", Major: "21"},
		},
		"EuroLinux, through ID_LIKE": {
			distro.Release{OS: "NAME=\"EuroLinux\"\nVERSION=\"9.3 (Nisyros)\"\nID=\"eurolinux\"\nID_LIKE=\"rhel fedora centos\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"EuroLinux 9.3 (Nisyros)\"\n"},
			distro.System{Family: distro.RHEL, ID: "eurolinux", Name: "EuroLinux 9.3 (Nisyros)", Version: "9.3", Major: "9"},
		},
		"Alpine": {
			distro.Release{OS: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n"},
			distro.System{Family: distro.Other, ID: "alpine", Name: "Alpine Linux v3.19", Version: "3.19.1", Major: "3"},
		},
		"nothing": {distro.Release{}, distro.System{Family: distro.Other}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := distro.Detect(c.release); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestArch(t *testing.T) {
	for machine, want := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "386", "mips": "mips"} {
		if got := distro.Arch(machine); got != want {
			t.Errorf("%s is %s, want %s", machine, got, want)
		}
	}
}
