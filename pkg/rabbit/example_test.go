package rabbit_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"makola/pkg/rabbit"
)

// A process publishes on one connection and consumes on another.
func Example() {
	ctx := context.Background()
	topo := rabbit.Standard("reports")
	log := slog.New(slog.DiscardHandler)
	url := os.Getenv("AMQP_URL")
	publishing := rabbit.New(rabbit.Config{URL: url, Name: "reports-worker publish", Declare: true}, topo, log)
	consuming := rabbit.New(rabbit.Config{URL: url, Name: "reports-worker consume", Declare: true}, topo, log)
	for _, conn := range []*rabbit.Conn{publishing, consuming} {
		_ = conn.Start(ctx)
		defer func() { _ = conn.Stop(ctx) }()
	}

	publisher := publishing.NewPublisher(rabbit.PublisherOptions{Timeout: 5 * time.Second})
	for _, err := range publisher.PublishBatch(ctx, []rabbit.Publishing{{
		Exchange: rabbit.ExchangeTasks, Key: "reports", Msg: rabbit.Message{MessageId: "1", DeliveryMode: rabbit.Persistent, Body: []byte("{}")},
	}}) {
		if err != nil {
			fmt.Println("publish it again later:", err)
		}
	}

	consumer := consuming.NewConsumer(rabbit.ConsumerConfig{Queue: "reports", Prefetch: 16})
	for d := range consumer.Deliveries() {
		// … do the work and commit it …
		if err := d.Ack(); err != nil {
			fmt.Println("it comes again, and will be found done:", err)
		}
	}
}
