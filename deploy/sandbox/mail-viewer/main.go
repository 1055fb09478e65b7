// Command mail-viewer receives every mail a development machine sends and shows it in the browser. It delivers nothing.
//
// It is a development service and refuses to start when MAKOLA_ENV is production. It keeps the last 500 mails in memory, and in MAIL_DIR
// when that is set, so that a restart keeps them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"makola/pkg/mail/mailbox"
	"makola/pkg/service"
)

// Config is read from the environment.
type Config struct {
	Env        string `env:"MAKOLA_ENV" envDefault:"development" doc:"The stage the process runs in. The mail viewer refuses production."`
	SMTPAddr   string `env:"SMTP_ADDR" envDefault:"127.0.0.1:1025" doc:"Where mail is received. Containers set :1025, so that others reach it."`
	ListenAddr string `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8025" doc:"Where the page and the API are served."`
	MailDir    string `env:"MAIL_DIR" doc:"Folder that keeps the mails over a restart. Empty keeps them in memory only."`
}

// ValidateProduction refuses production altogether: whoever reaches the page reads everybody's mail.
func (Config) ValidateProduction() []error {
	return []error{service.Invalid("MAKOLA_ENV", "is production", "give the services a real mail server and do not run the mail viewer")}
}

// shutdownGrace is how long requests may finish after a signal.
const shutdownGrace = 5 * time.Second

func main() {
	slog.SetDefault(service.NewLogger(os.Stderr, slog.LevelInfo))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("mail viewer stopped", "error", err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cfg Config
	if err := service.Load(&cfg, os.Environ()); err != nil {
		return err
	}
	store, err := openStore(cfg.MailDir)
	if err != nil {
		return fmt.Errorf("open MAIL_DIR: %w", err)
	}
	receiver := &mailbox.Server{Addr: cfg.SMTPAddr, Deliver: store.add}
	if err := receiver.Start(ctx); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.ListenAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on LISTEN_ADDR %s: %w", cfg.ListenAddr, err), receiver.Stop(ctx))
	}
	web := &http.Server{Handler: newHandler(store), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	slog.InfoContext(ctx, "mail viewer started", "smtp", receiver.Addr, "http", listener.Addr().String(), "mails", len(store.list("", time.Time{})))
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	return errors.Join(failed, web.Shutdown(grace), receiver.Stop(grace))
}
