package review

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// A CommitFault is what becomes of a commit.
type CommitFault int

// A commit that fails has done nothing; a lost one was done, and whoever made it
// is told that it failed.
const (
	CommitWorks CommitFault = iota
	CommitFails
	CommitLost
)

// ErrCommit is what a commit with a fault says.
var ErrCommit = errors.New("disk I/O error")

// BreakCommits asks fault before each commit of the desk until mend is called.
func (d *Desk) BreakCommits(path string, fault func() CommitFault) (mend func(), err error) {
	c, err := sqlite.NewConnector(dsn(path, ""))
	if err != nil {
		return nil, err
	}
	sound, broken := d.db.write, sql.OpenDB(brokenConnector{c, fault})
	broken.SetMaxOpenConns(1)
	d.db.write = broken
	return func() {
		d.db.write = sound
		broken.Close()
	}, nil
}

type brokenConnector struct {
	driver.Connector
	fault func() CommitFault
}

func (c brokenConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return brokenConn{conn.(sqliteConn), c.fault}, nil
}

// A sqliteConn is all that database/sql asks a connection for.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type brokenConn struct {
	sqliteConn
	fault func() CommitFault
}

func (c brokenConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqliteConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return brokenTx{tx, c.fault}, nil
}

type brokenTx struct {
	driver.Tx
	fault func() CommitFault
}

func (t brokenTx) Commit() error {
	switch t.fault() {
	case CommitFails:
		return errors.Join(ErrCommit, t.Rollback())
	case CommitLost:
		return errors.Join(t.Tx.Commit(), ErrCommit)
	}
	return t.Tx.Commit()
}
