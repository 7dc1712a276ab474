package agentbin

import (
	"bytes"
	"debug/elf"
	"errors"
	"testing"
)

func TestEveryListedArchitectureIsAnExecutable(t *testing.T) {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for _, arch := range Archs() {
		data, err := Binary(arch)
		if err != nil {
			t.Fatalf("Binary(%q): %v", arch, err)
		}
		file, err := elf.NewFile(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("agent for %s is not an ELF executable: %v", arch, err)
		}
		if want, known := machines[arch]; known && file.Machine != want {
			t.Errorf("agent for %s is built for %s", arch, file.Machine)
		}
	}
}

func TestUnknownArchitecture(t *testing.T) {
	_, err := Binary("vax")
	if err == nil {
		t.Fatal("Binary(vax) gave an agent")
	}
	if len(Archs()) == 0 && !errors.Is(err, ErrNoAgents) {
		t.Errorf("error = %v, want ErrNoAgents", err)
	}
}
