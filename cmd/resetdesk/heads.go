package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// headEvery is how old the newest head may become.
const headEvery = 24 * time.Hour

// keepHeads appends a signed head to the file a day, and soon after every reset.
// Where it stopped it knows from the file itself.
func keepHeads(ctx context.Context, desk *review.Desk, cfg Config, log *slog.Logger) error {
	key, err := loadAuditKey(cfg, nil)
	if err != nil {
		return err
	}
	for key != nil {
		if err := keepHead(ctx, desk, key, cfg.Audit.HeadsFile); err != nil && ctx.Err() == nil {
			log.Error("no head of the audit was kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
		}
	}
	<-ctx.Done() // without a key nothing is signed, and the start said so
	return ctx.Err()
}

// keepHead appends a head if one is due.
func keepHead(ctx context.Context, desk *review.Desk, key *chain.Key, path string) error {
	last, err := lastHead(path, key.Public())
	if err != nil {
		return err
	}
	reset, err := desk.LastReset(ctx)
	if err != nil {
		return err
	}
	if reset <= last.Size && time.Since(last.At) < headEvery {
		return nil
	}
	head, err := desk.Head(ctx)
	if err != nil {
		return err
	}
	if head.Size < last.Size {
		return fmt.Errorf("the audit has %d events, and the last head in %s has %d: its end was cut off, or an old backup was restored", head.Size, path, last.Size)
	}
	signed, err := key.Sign(head)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("keep head: %w", err)
	}
	_, err = f.Write(append([]byte("\n"), signed...)) // apart from what a crash left half written
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep head: %w", err)
	}
	return nil
}

// lastHead is the last head of the file that stands there whole.
func lastHead(path, public string) (chain.Head, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return chain.Head{}, nil
	}
	if err != nil {
		return chain.Head{}, fmt.Errorf("read heads: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return chain.Head{}, fmt.Errorf("read heads: %w", err)
	}
	end := make([]byte, min(info.Size(), 4096)) // a head is some 300 bytes
	if _, err := f.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return chain.Head{}, fmt.Errorf("read heads: %w", err)
	}
	heads := chain.Split(end)
	for i := len(heads) - 1; i >= 0; i-- {
		if h, err := chain.Open(heads[i], public); err == nil {
			return h, nil
		}
	}
	return chain.Head{}, nil
}
