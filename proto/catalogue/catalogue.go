// Package catalogue knows every task that there is, for those who name tasks at run time: the schedule, and people. The tasks of the queue selftest are not among them: they
// exist for tests.
package catalogue

import (
	"slices"
	"strings"

	"makola/proto/contract"
	accounts "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventory "makola/proto/makola/inventory/v1"
	notifications "makola/proto/makola/notifications/v1"
	reports "makola/proto/makola/reports/v1"
	sales "makola/proto/makola/sales/v1"
	subscriptions "makola/proto/makola/subscriptions/v1"
	webhooks "makola/proto/makola/webhooks/v1"
)

// All returns the descriptor of every task, in the order of their names. The caller owns the slice.
func All() []*contract.Descriptor {
	all := slices.Concat(accounts.AllTasks(), aifeatures.AllTasks(), inventory.AllTasks(), notifications.AllTasks(), reports.AllTasks(), sales.AllTasks(), subscriptions.AllTasks(), webhooks.AllTasks())
	slices.SortFunc(all, func(a, b *contract.Descriptor) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the task of that name or alias; nil when there is none.
func Find(name string) *contract.Descriptor {
	for _, d := range All() {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			return d
		}
	}
	return nil
}
