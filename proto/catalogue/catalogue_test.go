package catalogue

import (
	"strings"
	"testing"
)

func TestEveryTaskIsKnownByItsNamesAndDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range All() {
		for _, name := range append([]string{d.Name}, d.Aliases...) {
			if seen[name] {
				t.Errorf("%s names two tasks", name)
			}
			seen[name] = true
			if Find(name) != d {
				t.Errorf("%s does not find its task", name)
			}
		}
		if Description(d.Name) == "" {
			t.Errorf("nothing is said of %s: run proto/gen.sh", d.Name)
		}
	}
	if len(seen) == 0 || Find("selftest.noop") != nil || Find("") != nil || Description("no.such_task") != "" {
		t.Error("the catalogue is empty, or knows what it should not")
	}
	if said := Description("inventory.self_test"); !strings.HasPrefix(said, "SelfTest proves that tasks reach inventory-worker") || strings.Contains(said, "\n") {
		t.Errorf("inventory.self_test is described as %q", said)
	}
}
