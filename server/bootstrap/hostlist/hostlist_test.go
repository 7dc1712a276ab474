package hostlist

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExpandNames(t *testing.T) {
	long := strings.Repeat("a", 61) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 63)
	tests := []struct {
		name, text string
		want       []string // "name@line"
	}{
		{"one per line", "a.test\nb.test", []string{"a.test@1", "b.test@2"}},
		{"line ends", "a\r\nb\rc\n\nd", []string{"a@1", "b@2", "c@3", "d@5"}},
		{"blanks and commas", " a\tb, c ,,d,", []string{"a@1", "b@1", "c@1", "d@1"}},
		{"blanks of other scripts", "a\u00a0b\u3000c", []string{"a@1", "b@1", "c@1"}},
		{"comments", "# all\na # first\n#b\nc#d", []string{"a@2", "c@4"}},
		{"byte order mark", "\ufeffa", []string{"a@1"}},
		{"case and duplicates", "Node1.Lab.Test\nb node1.lab.test B", []string{"node1.lab.test@1", "b@2"}},
		{"final dot", "node1.lab.test.", []string{"node1.lab.test@1"}},
		{"pattern", "node[1-4].lab.test", []string{"node1.lab.test@1", "node2.lab.test@1", "node3.lab.test@1", "node4.lab.test@1"}},
		{"zero padding", "host[08-11]", []string{"host08@1", "host09@1", "host10@1", "host11@1"}},
		{"zero alone", "host[0-2]", []string{"host0@1", "host1@1", "host2@1"}},
		{"padding grows", "h[9-11] k[098-100]", []string{"h9@1", "h10@1", "h11@1", "k098@1", "k099@1", "k100@1"}},
		{"leftmost outermost", "r[1-2]n[1-2]", []string{"r1n1@1", "r1n2@1", "r2n1@1", "r2n2@1"}},
		{"as many brackets as there may be", strings.Repeat("[1]", 7) + "x[1-2].", []string{"1111111x1@1", "1111111x2@1"}},
		{"list", "[a,b,c].test,d", []string{"a.test@1", "b.test@1", "c.test@1", "d@1"}},
		{"list with ranges", "n[1-2,7,x]", []string{"n1@1", "n2@1", "n7@1", "nx@1"}},
		{"list with hyphens", "[web-1,db-1].test", []string{"web-1.test@1", "db-1.test@1"}},
		{"pattern and duplicates", "n2 n[1-3]", []string{"n2@1", "n1@1", "n3@1"}},
		{"IPv4", "192.0.2.7 10.0.0.[1-2]", []string{"192.0.2.7@1", "10.0.0.1@1", "10.0.0.2@1"}},
		{"IPv6", "2001:DB8:0::1 [2001:db8::2] ::ffff:192.0.2.7", []string{"2001:db8::1@1", "2001:db8::2@1", "192.0.2.7@1"}},
		{"IPv6 pattern", "2001:db8::[1-2]", []string{"2001:db8::1@1", "2001:db8::2@1"}},
		{"IPv6 alone in brackets", "[::1]", []string{"::1@1"}},
		{"longest name", long, []string{long + "@1"}},
		{"longest name of a pattern", "[a]" + long[1:] + ".", []string{long + "@1"}},
		{"step", "n[1-9/3] k[01-10/4]", []string{"n1@1", "n4@1", "n7@1", "k01@1", "k05@1", "k09@1"}},
		{"nested", "[db[1-2],web].test", []string{"db1.test@1", "db2.test@1", "web.test@1"}},
		{"nested twice", "r[1,2[a,b[7-8]]]x", []string{"r1x@1", "r2ax@1", "r2b7x@1", "r2b8x@1"}},
		{"network", "192.0.2.0/30 10.1.2.3/31 10.9.9.9/32", []string{"192.0.2.1@1", "192.0.2.2@1", "10.1.2.2@1", "10.1.2.3@1", "10.9.9.9@1"}},
		{"IPv6 network", "2001:db8::/126", []string{"2001:db8::1@1", "2001:db8::2@1", "2001:db8::3@1"}},
		{"address range", "10.0.0.254-10.0.1.1, 10.0.0.7-8", []string{"10.0.0.254@1", "10.0.0.255@1", "10.0.1.0@1", "10.0.1.1@1", "10.0.0.7@1", "10.0.0.8@1"}},
		{"IPv6 range", "2001:db8::9-b", []string{"2001:db8::9@1", "2001:db8::a@1", "2001:db8::b@1"}},
		{"no range", "10.0.0.5-mgmt", []string{"10.0.0.5-mgmt@1"}},
		{"digits first", "3com.example 1-2.example", []string{"3com.example@1", "1-2.example@1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hosts, problems := Expand(tt.text)
			if len(problems) > 0 {
				t.Fatalf("problems: %+v", problems)
			}
			var got []string
			for _, h := range hosts {
				got = append(got, fmt.Sprintf("%s@%d", h.Name, h.Line))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExpandProblems(t *testing.T) {
	tests := []struct {
		text string
		line int
		code string
		says string // part of the message
	}{
		{"", 1, CodeEmpty, "no host name"},
		{" \n# nothing\n,,\n", 1, CodeEmpty, "no host name"},
		{"a\nhost[3-1]", 2, CodeRangeReversed, "[1-3]"},
		{"host[a-c]", 1, CodeRangeLetters, "[a,b,c]"},
		{"host[aa-cc]", 1, CodeRangeLetters, "[a,b,c]"},
		{"a\r\nb\r\nhost[", 3, CodeBracketOpen, "never closed"},
		{"host[1-4", 1, CodeBracketOpen, "host[1-4"},
		{"host]", 1, CodeBracketClose, "without a ["},
		{"host[1-[2-3]]", 1, CodeBracketNested, "a bracket inside a bracket"},
		{"host[]", 1, CodeBracketEmpty, "missing"},
		{"host[a,,b]", 1, CodeBracketEmpty, "missing"},
		{strings.Repeat("[1]", 9), 1, CodeBracketMany, "8 brackets"},
		{strings.Repeat("[1]", 20000), 1, CodeBracketMany, "8 brackets"},
		{strings.Repeat("a.", 127) + "[1-2]", 1, CodeNameLength, "255"},
		{"[1-2]" + strings.Repeat("a", 100000), 1, CodeNameLength, "100001"},
		{"host[1-]", 1, CodeRangeInvalid, "[1-]"},
		{"host[-3]", 1, CodeRangeInvalid, "[-3]"},
		{"host[1-2-3]", 1, CodeRangeInvalid, "[1-2-3]"},
		{"host[1-x]", 1, CodeRangeInvalid, "[1-x]"},
		{"host[1-010]", 1, CodeRangeInvalid, "[1-010]"},
		{"host[1-9999999999999999999]", 1, CodeRangeDigits, "18"},
		{"host[1-10001]", 1, CodeTooMany, "10000"},
		{"a[1-999999999999999999]b[1-999999999999999999]c[1-999999999999999999]", 1, CodeTooMany, "10000"},
		{"a[1-200]b[1-51]", 1, CodeTooMany, "10000"},
		{"node_1", 1, CodeCharacter, "_"},
		{"node1/24", 1, CodeCharacter, "/"},
		{"10.0.0.0/33", 1, CodeNetwork, "10.0.0.0/24"},
		{"10.0.0.9-10.0.0.1", 1, CodeRangeReversed, "10.0.0.1-10.0.0.9"},
		{"10.0.0.9-300", 1, CodeAddressRange, "10.0.0.9-300"},
		{"10.0.0.9-2001:db8::1", 1, CodeAddressRange, "2001"},
		{"10.0.0.0/8", 1, CodeTooMany, "10000"},
		{"2001:db8::/64", 1, CodeTooMany, "10000"},
		{"a=b", 1, CodeCharacter, "="},
		{"n[1-9/0]", 1, CodeRangeInvalid, "[1-9/0]"},
		{"n[1-9/x]", 1, CodeRangeInvalid, "[1-9/x]"},
		{"[a,[b,]]", 1, CodeBracketEmpty, "missing"},
		{strings.Repeat("[a,", 9) + "b", 1, CodeBracketMany, "8 brackets"},
		{"https://node1:8080", 1, CodeCharacter, "/"},
		{"节点1", 1, CodeNonASCII, "节"},
		{"bücher.example", 1, CodeNonASCII, "xn--"},
		{"node\x001", 1, CodeControl, "U+0000"},
		{"node\x1b[31m", 1, CodeControl, "U+001B"},
		{"node\u200b1", 1, CodeControl, "U+200B"},
		{"node\xff", 1, CodeControl, "U+FFFD"},
		{"root@node1:2222", 1, CodeUser, "without a user"},
		{"node1:22", 1, CodePort, "without a port"},
		{"[::1]:22", 1, CodePort, "without a port"},
		{"node[1-2]:22", 1, CodePort, "without a port"},
		{"fe80::1%eth0", 1, CodeZone, "zone"},
		{"[fe80::1%eth0]", 1, CodeZone, "zone"},
		{"[::1]x", 1, CodeAddress, "address"},
		{"300.1.1.1", 1, CodeAddress, "300.1.1.1"},
		{"10.0.0.[254-256]", 1, CodeAddress, "10.0.0.256"},
		{"1.2.3", 1, CodeAddress, "1.2.3"},
		{"0.0.0.0", 1, CodeAddress, "0.0.0.0"},
		{"ff02::1", 1, CodeAddress, "ff02::1"},
		{"2001:db8:::1", 1, CodeAddress, "2001"},
		{"a..b", 1, CodeLabelEmpty, "between two dots"},
		{".a", 1, CodeLabelEmpty, "before"},
		{".", 1, CodeLabelEmpty, "before"},
		{"-a.test", 1, CodeLabelHyphen, "-a"},
		{"a-.test", 1, CodeLabelHyphen, "a-"},
		{strings.Repeat("a", 64) + ".test", 1, CodeLabelLength, "63"},
		{strings.Repeat("a.", 127) + "a", 1, CodeNameLength, "255"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			_, problems := Expand(tt.text)
			if len(problems) != 1 {
				t.Fatalf("got %d problems, want 1: %+v", len(problems), problems)
			}
			p := problems[0]
			if p.Line != tt.line || p.Code != tt.code || !strings.Contains(p.Message, tt.says) {
				t.Errorf("got %+v, want line %d, code %s, a message with %q", p, tt.line, tt.code, tt.says)
			}
			if strings.ContainsAny(p.Message, "{}") {
				t.Errorf("the message has an unfilled argument: %s", p.Message)
			}
		})
	}
}

func TestReadSettings(t *testing.T) {
	tests := []struct {
		text string
		want []string // as lines
	}{
		{"admin@node1:2222", []string{"admin@node1:2222"}},
		{"Admin@Node[1-2]:2222 rack=/r7", []string{"Admin@node1:2222 rack=/r7", "Admin@node2:2222 rack=/r7"}},
		{"[2001:db8::1]:2222, 2001:db8::2", []string{"[2001:db8::1]:2222", "2001:db8::2"}},
		{"me@10.0.0.0/30:23", []string{"me@10.0.0.1:23", "me@10.0.0.2:23"}},
		{"gold= a, b rack=/r7 # rack=/r8\nc", []string{"a gold= rack=/r7", "b gold= rack=/r7", "c"}},
		{"node1 address=10.0.0.7 credentials=db user=me port=7", []string{"me@node1:7 address=10.0.0.7 credentials=db"}},
		{`LAB\\me@x, a@b@y`, []string{`LAB\\me@x`, "a@b@y"}},
	}
	for _, tt := range tests {
		l := Read(tt.text)
		var got []string
		for _, h := range l.Hosts {
			got = append(got, h.String())
		}
		if len(l.Problems) > 0 || !slices.Equal(got, tt.want) {
			t.Errorf("%q is %q, %+v", tt.text, got, l.Problems)
		}
	}
}

func TestReadProblems(t *testing.T) {
	for text, code := range map[string]string{
		"@node1":                CodeUserInvalid,
		"a;b@node1":             CodeUserInvalid,
		"-l@node1":              CodeUserInvalid,
		"node1 user=":           CodeUserInvalid,
		"node1:":                CodePortInvalid,
		"node1:x":               CodePortInvalid,
		"node1:70000":           CodePortInvalid,
		"node1 port=0":          CodePortInvalid,
		"node[1-2] address=::1": CodeAddressShared,
		"node1 address=a_b":     CodeCharacter,
		"node1 credentials=a/b": CodeCredentials,
		"node1 -x=y":            CodeLabel,
		"node1 x=a;b":           CodeLabel,
		"node1 x=a x=b":         CodeLabelTwice,
		"node1 a=" + strings.Repeat("x", 63) + " b=" + strings.Repeat("x", 63) + " c=" + strings.Repeat("x", 63) + " d=" + strings.Repeat("x", 63): CodeLabelsLong,
		"node1\nrack=/r7":      CodeSettingAlone,
		"node1\nroot@node1":    CodeContradiction,
		"node1 a=b\nnode1 a=c": CodeContradiction,
		"n[1-100001]":          CodeTooMany,
	} {
		l := Read(text)
		if len(l.Problems) != 1 || l.Problems[0].Code != code || strings.ContainsAny(l.Problems[0].Message, "{}") {
			t.Errorf("%q: %+v", text, l.Problems)
		}
	}
}

func TestReadTellsDuplicates(t *testing.T) {
	l := Read("a rack=/r1\nb a rack=/r1\nn[1-300] n[1-300]")
	if len(l.Hosts) != 303 && len(l.Hosts) != 302 {
		t.Errorf("%d hosts", len(l.Hosts))
	}
	if l.Again != 301 || len(l.Duplicates) != maxProblems || l.Duplicates[0] != (Duplicate{Name: "a", Line: 2, First: 1}) {
		t.Errorf("%d duplicates, %d told, %+v", l.Again, len(l.Duplicates), l.Duplicates[0])
	}
	if l := Read("n[1-10001]"); len(l.Hosts) != 10001 || len(l.Problems) != 0 {
		t.Errorf("%d hosts, %+v", len(l.Hosts), l.Problems)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"a@b:1 x=y", "10.0.0.0/29", "10.0.0.1-9:22", "[a[1-2],b]@c", "[::1]:22 rack=/r7", "u@[db[1-9/2],w]:22 a= b=c", "n address=1.2.3.4", "2001:db8::/120"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := Read(text)
		if len(l.Hosts) == 0 && len(l.Problems) == 0 || len(l.Hosts) > MostHosts || len(l.Problems) > maxProblems+1 {
			t.Fatalf("%d hosts, %d problems", len(l.Hosts), len(l.Problems))
		}
		for i, h := range l.Hosts {
			if i > 100 {
				break
			}
			again := Read(h.String())
			if len(again.Problems) != 0 || len(again.Hosts) != 1 || again.Hosts[0].Name != h.Name || !again.Hosts[0].equal(h.Settings) {
				t.Fatalf("%q is not stable: %+v", h.String(), again)
			}
		}
	})
}

func TestExpandKeepsWhatIsRight(t *testing.T) {
	hosts, problems := Expand("a\nhost[\nb, c:22 d")
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "d"}) {
		t.Errorf("names %q", names)
	}
	if len(problems) != 2 || problems[0].Line != 2 || problems[1].Line != 3 {
		t.Errorf("problems %+v", problems)
	}
}

func TestExpandLimits(t *testing.T) {
	hosts, problems := Expand(lines(MaxHosts))
	if len(hosts) != MaxHosts || len(problems) != 0 {
		t.Errorf("%d hosts, problems %+v", len(hosts), problems)
	}
	hosts, problems = Expand(lines(MaxHosts) + "one.more\n" + "and.more\n")
	if len(hosts) != MaxHosts || len(problems) != 1 || problems[0].Code != CodeTooMany || problems[0].Line != MaxHosts+1 {
		t.Errorf("%d hosts, problems %+v", len(hosts), problems)
	}
	hosts, problems = Expand(lines(MaxHosts) + "node1.lab.test\n")
	if len(hosts) != MaxHosts || len(problems) != 0 {
		t.Errorf("a duplicate counts: %d hosts, problems %+v", len(hosts), problems)
	}
	hosts, problems = Expand("a[1-6000] b[1-6000] c")
	if len(hosts) != 6000 || len(problems) != 1 || problems[0].Code != CodeTooMany {
		t.Errorf("%d hosts, problems %+v", len(hosts), problems)
	}
	_, problems = Expand(strings.Repeat("a[1-5000]\n", 100))
	if len(problems) != 1 || problems[0].Code != CodeTooMany {
		t.Errorf("repeated work is not bounded: %+v", problems)
	}
	_, problems = Expand(strings.Repeat("a:1\n", 100000))
	if len(problems) != maxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

// TestHostilePatterns bounds the memory that a text may take, which must not grow faster than the text.
func TestHostilePatterns(t *testing.T) {
	const size, most = 60_000, 4 << 20 // bytes
	for _, piece := range []string{"[1]", "[", "]", "[1-2]", "a[1]", "[a,b]x", ",", "[1] ", "[1,", "[1-"} {
		text := strings.Repeat(piece, size/len(piece))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		Expand(text)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%q again and again takes %d bytes", piece, n)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"a", "node[1-4].lab.test", "host[", "[::1]", "a,b c\r\nd#e", "[a,b]-[01-10]", "\x00", "::ffff:1.2.3.4%x", "a[0-99999]", "[1][1][1][1][1][1][1][1][1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hosts, problems := Expand(text)
		if len(hosts) == 0 && len(problems) == 0 {
			t.Fatal("neither a host nor a problem")
		}
		if len(hosts) > MaxHosts || len(problems) > maxProblems {
			t.Fatalf("%d hosts, %d problems", len(hosts), len(problems))
		}
		ends := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		seen := map[string]bool{}
		for _, h := range hosts {
			if seen[h.Name] || h.Line < 1 || h.Line > ends {
				t.Fatalf("%+v is a duplicate or at no line", h)
			}
			seen[h.Name] = true
			again, p := Expand(h.Name)
			if len(p) != 0 || len(again) != 1 || again[0].Name != h.Name {
				t.Fatalf("%q is not stable: %+v %+v", h.Name, again, p)
			}
			if _, err := netip.ParseAddr(h.Name); err != nil && strings.Trim(h.Name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
				t.Fatalf("%q is no host name", h.Name)
			}
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > ends || p.Message == "" || !utf8.ValidString(p.Message) {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	for name, text := range map[string]string{"lines": lines(MaxHosts), "pattern": "node[00001-10000].lab.test"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if hosts, problems := Expand(text); len(hosts) != MaxHosts || len(problems) != 0 {
					b.Fatalf("%d hosts, %+v", len(hosts), problems)
				}
			}
		})
	}
}

// lines is a list of n names, one a line.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "node%d.lab.test\n", i+1)
	}
	return b.String()
}
