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

	"github.com/resetdesk/resetdesk/cmd/resetdesk/firstrun"
	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
	"github.com/resetdesk/resetdesk/ui/api"
	"github.com/resetdesk/resetdesk/ui/webhook"
	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var config, only string
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Read the mailbox, send letters and serve the pages",
		Example: "  resetdesk serve -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if only != "" && only != "mail" && only != "web" {
				return &exitError{exitUsage, fmt.Errorf("-only is mail or web, not %q", only)}
			}
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			return serve(c.Context(), cfg, only, slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)))
		},
	}
	c.Flags().StringVar(&config, "config", "resetdesk.toml", "the configuration file")
	c.Flags().StringVar(&only, "only", "", "run one half: mail or web")
	return c
}

// serve runs until ctx ends. Its parts meet only through the database; the
// first that cannot go on ends them all.
func serve(ctx context.Context, cfg Config, only string, log *slog.Logger) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	postman := &mailbox.Postman{Config: postmanConfig(cfg), Log: log}
	courier := &webhook.Courier{Private: cfg.API.WebhookPrivate, Log: log}
	desk, err := openDesk(ctx, cfg, log, postman.Kick, courier.Kick)
	if err != nil {
		return err
	}
	defer desk.Close()
	postman.Outbox, courier.Outbox = desk, desk
	watching := watchers(cfg, desk, log)

	parts := map[string]func(context.Context) error{"desk": desk.Run}
	if only != "web" {
		for i, m := range cfg.boxes() {
			parts["watcher of ["+m.Section+"]"] = watching[i].Run
		}
		parts["postman"] = postman.Run
		go sweepOnSignal(ctx, watching)
	}
	if cfg.Audit.HeadsFile != "" {
		parts["heads"] = func(ctx context.Context) error { return keepHeads(ctx, desk, cfg, log) }
	}
	if cfg.API.Enabled {
		parts["webhooks"] = courier.Run
	}
	if cfg.Accounts.File != "" {
		parts["accounts"] = func(ctx context.Context) error { return watchAccounts(ctx, desk, cfg.Accounts.File, log) }
	}
	if only != "mail" {
		server, err := webServer(cfg, desk, watching, postman, log)
		if err != nil {
			return err
		}
		parts["web"] = server
	}
	if cfg.Server.Metrics != "" {
		monitor := &monitor{desk: desk, postman: postman, log: log}
		if only != "web" {
			monitor.watching = watching
		}
		server, err := monitor.listen(cfg.Server.Metrics)
		if err != nil {
			return err
		}
		parts["metrics"] = server
	}
	done := make(chan error)
	for name, run := range parts {
		go func() {
			err := run(ctx)
			if ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
			done <- err
		}()
	}
	for range parts {
		<-done
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

// sweepOnSignal compares the mailboxes with the database when the process gets SIGHUP.
func sweepOnSignal(ctx context.Context, watching []*mailbox.Watcher) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-hup:
			for _, w := range watching {
				w.Sweep()
			}
		case <-ctx.Done():
			return
		}
	}
}

// webServer listens at once, so that a taken port is an error at start, and
// returns the function that serves.
func webServer(cfg Config, desk *review.Desk, watching []*mailbox.Watcher, postman *mailbox.Postman, log *slog.Logger) (func(context.Context) error, error) {
	pages := ui.Config{Desk: desk, BaseURL: cfg.Server.BaseURL, Brand: cfg.Server.Brand, Log: log,
		Status: func() []ui.Line { return append(mailLights(watching, postman), letterLights(desk, log)...) }, Trusted: cfg.Server.Trusted, Watched: cfg.folders(),
		Connections: connections(cfg), Guide: firstrun.Guide(), Source: func(key string) string { return cfg.Sources[key] }}
	var err error
	if pages.SSO, err = cfg.Server.SSO.provider(cfg.Server.BaseURL); err != nil {
		return nil, err
	}
	if pages.API, err = openAPI(cfg, desk, log); err != nil {
		return nil, err
	}
	closing := make(chan struct{})
	pages.Stop = closing
	handler, err := ui.New(pages)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Server.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve pages: %w", err)
	}
	log.Info("serving pages", "listen", listener.Addr().String(), "base_url", cfg.Server.BaseURL)
	return serveHTTP(listener, handler, func() { close(closing) }, log), nil
}

// serveHTTP returns a function that serves until its context ends; closing is
// called then.
func serveHTTP(listener net.Listener, handler http.Handler, closing func(), log *slog.Logger) func(context.Context) error {
	server := ui.NewServer(handler, slog.NewLogLogger(log.Handler(), slog.LevelDebug))
	server.RegisterOnShutdown(closing)
	return func(ctx context.Context) error {
		go func() {
			<-ctx.Done()
			late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if server.Shutdown(late) != nil {
				server.Close()
			}
		}()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// openAPI returns the JSON API, nil if the configuration closes it.
func openAPI(cfg Config, desk *review.Desk, log *slog.Logger) (http.Handler, error) {
	if !cfg.API.Enabled {
		return nil, nil
	}
	return api.New(api.Config{Desk: desk, BaseURL: cfg.Server.BaseURL, Log: log, Trusted: cfg.Server.Trusted, Rate: cfg.API.Rate})
}

// letterLights says what is wrong with letters; nothing if all is well.
func letterLights(desk *review.Desk, log *slog.Logger) (lights []ui.Line) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	trouble, err := desk.LetterTrouble(ctx)
	if err != nil {
		log.Error("trouble with letters is not known", "error", err)
		return []ui.Line{{Text: "Whether letters arrive is not known: the database did not answer."}}
	}
	for _, line := range trouble.Lines() {
		lights = append(lights, ui.Line{Text: line})
	}
	return lights
}

// watchAccounts imports the accounts file at start and whenever it changes. A
// file that cannot be imported is an error in the log, and the accounts stay as
// they were.
func watchAccounts(ctx context.Context, desk *review.Desk, path string, log *slog.Logger) error {
	var last time.Time
	for {
		if info, err := os.Stat(path); err != nil {
			log.Error("accounts file cannot be read", "error", err)
		} else if !info.ModTime().Equal(last) {
			last = info.ModTime()
			if report, err := importAccounts(ctx, desk, path, false, false); err != nil {
				log.Error("accounts were not imported", "error", err)
			} else {
				log.Info("accounts imported", "accounts", report.Accounts, "users", report.Users, "added", report.Added, "removed", report.Removed)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
		}
	}
}

func importAccounts(ctx context.Context, desk *review.Desk, path string, force, dryRun bool) (review.ImportReport, error) {
	f, err := os.Open(path)
	if err != nil {
		return review.ImportReport{}, err
	}
	defer f.Close()
	rows, err := review.ReadAccounts(f)
	if err != nil {
		return review.ImportReport{}, err
	}
	return desk.Import(ctx, rows, "csv", force, dryRun)
}
