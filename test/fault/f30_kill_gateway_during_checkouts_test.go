package fault

import "testing"

// TestF30 kills the gateway six times while 64 tills check out. Each till asks again with its key until it is answered: every sale is made once, and its stock, payment or debt
// and receipt with it.
func TestF30KillGatewayDuringCheckouts(t *testing.T) {
	t.Parallel()
	f := newFloor(t)
	all := f.trade(6, func() {
		before := f.server.deaths()
		f.server.kill()
		f.await("the gateway is dead", func() bool { return f.server.deaths() > before })
	})
	f.server.retire()
	f.audit(all)
}
