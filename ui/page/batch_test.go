package page

import "testing"

func TestBatchText(t *testing.T) {
	// tasks has the states of batches of two, one letter each: d(one), f(ailed), r(unning), p(ending), s(topped by failures).
	tasks := func(states string) []Task {
		names := map[rune]Task{
			'd': {State: Done}, 'f': {State: Failed}, 'r': {State: Running}, 'p': {State: Pending}, 's': {State: Skipped, Reason: reasonFailures},
		}
		var all []Task
		for i, s := range states {
			task := names[s]
			task.Batch = i/2 + 1
			all = append(all, task)
		}
		return all
	}
	for _, c := range []struct {
		states string
		edit   func(*Operation)
		want   string
	}{
		{"rrpppp", nil, "Batch 1 of 3: 0 of 2 done"},
		{"ddfrp", nil, "Batch 2 of 3: 0 of 2 done, 1 failed"},
		{"ddffp", nil, "Batch 3 of 3: 0 of 1 done"},
		{"ddffss", nil, "Batch 3 of 3: 0 of 2 done"},
		{"ddfsss", func(o *Operation) { o.StopAfter = 1 }, "Batch 2 of 3: 0 of 2 done, 1 failed · stops after 1 failure, 1 so far"},
		{"dddddd", nil, "Batch 3 of 3: 2 of 2 done"},
		{"frpppp", func(o *Operation) { o.StopAfter, o.Forgiven = 3, 1 }, "Batch 1 of 3: 0 of 2 done, 1 failed · stops after 3 failures, 0 so far"},
	} {
		o := Operation{Counts: Counts{}, Batch: BatchOf(tasks(c.states))}
		for _, task := range tasks(c.states) {
			o.Counts[task.State]++
		}
		if c.edit != nil {
			c.edit(&o)
		}
		if got := batchText(t.Context(), o); got != c.want {
			t.Errorf("%s: %q, want %q", c.states, got, c.want)
		}
	}
	o := Operation{Counts: Counts{Failed: 2}, StopAfter: 5, Batch: BatchOf([]Task{{State: Failed}, {State: Failed}})}
	if got := batchText(t.Context(), o); got != "stops after 5 failures, 2 so far" {
		t.Errorf("without batches: %q", got)
	}
}
