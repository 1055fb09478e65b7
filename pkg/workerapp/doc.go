// Package workerapp wires what every worker service needs, so that a worker's main holds only what is its own:
//
//	func wire(ctx context.Context, cfg Config, app *service.App) error {
//		w, err := workerapp.Open(ctx, cfg.Config, app, "inventory", "sales")
//		if err != nil {
//			return err
//		}
//		inventorypb.HandleTasks(w.Worker, &tasks.Inventory{})
//		return nil
//	}
//
// Open makes, in the order of start: the database, two connections to the broker (one publishes, one consumes, because the broker
// throttles whole connections that publish), the queue with its relay, and the worker; and tells readiness to ask each of them. Beside them runs a monitor with a connection
// of its own, by which Celery's tools see and control the worker.
// Handlers are registered after Open returns and before wire does: nothing is consumed until then.
package workerapp
