package check

import (
	"fmt"
	"strconv"
)

const (
	smallMemory = 1 << 30 // bytes
	withoutSwap = 4 << 30 // bytes of memory with which a host needs no swap
	lowMemory   = 10      // per cent that are to be available
	lowSwap     = 20      // per cent of the swap that are to be free
	mostSwappy  = 10
	busyPerCore = 4 // load
)

func memory(s *subject) Verdict {
	args := []string{"Memory", size(s.Memory), "Available", size(s.Available), "Percent", strconv.Itoa(share(s.Available, s.Memory))}
	switch {
	case s.Memory == 0:
		return untold
	case s.Available > 0 && share(s.Available, s.Memory) < lowMemory:
		return warn("low", args...)
	case s.Memory < smallMemory:
		return warn("small", args...)
	}
	return pass(args...)
}

func cpu(s *subject) Verdict {
	if s.Cores == 0 {
		return untold
	}
	args := []string{"Cores", strconv.Itoa(s.Cores), "Load", fmt.Sprintf("%.1f", s.Load)}
	if s.Load > float64(busyPerCore*s.Cores) {
		return warn("busy", args...)
	}
	return pass(args...)
}

func swap(s *subject) Verdict {
	args := []string{"Swap", size(s.Swap), "Free", size(s.SwapFree), "Memory", size(s.Memory)}
	switch {
	case s.Memory == 0:
		return untold
	case s.Swap == 0 && s.Memory < withoutSwap:
		return warn("none", args...)
	case s.Swap == 0:
		return is("absent", args...)
	case share(s.SwapFree, s.Swap) < lowSwap:
		return warn("full", args...)
	}
	return pass(args...)
}

func swappiness(s *subject) Verdict {
	if s.Swappiness == nil || s.Swap == 0 {
		return untold
	}
	args := []string{"Value", strconv.Itoa(*s.Swappiness)}
	if *s.Swappiness > mostSwappy {
		return warn("high", args...)
	}
	return pass(args...)
}

func hugePages(s *subject) Verdict {
	switch s.HugePages {
	case "":
		return untold
	case "always":
		return warn("always")
	}
	return pass("Value", s.HugePages)
}
