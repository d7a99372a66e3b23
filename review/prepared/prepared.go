// Package prepared opens SQLite connections that keep their statements prepared.
//
// To prepare is what a statement of the desk costs: SQLite compiles each trigger of
// a table into every statement that writes to it, and the triggers carry the
// promises. database/sql prepares anew for each call that is not made through a
// sql.Stmt, and a sql.Stmt belongs to one handle, not to a transaction's text.
// So the statements are kept below database/sql, by connection and text, and the
// code above stays as it is. SQLite itself prepares one again when the schema changed.
package prepared

import (
	"container/list"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
)

// Open opens the database of dsn, as sql.Open with the driver "sqlite" does; each
// connection keeps up to size statements that are not in use, those used last.
func Open(dsn string, size int) (*sql.DB, error) {
	var none *Shelf
	return none.Open(dsn, size)
}

type connector struct {
	driver.Connector
	size  int
	shelf *Shelf
	dsn   string
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if kept := c.shelf.take(c.dsn); kept != nil {
		return kept, nil
	}
	dc, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	base, ok := dc.(sqliteConn)
	if !ok {
		dc.Close()
		return nil, fmt.Errorf("the driver's connection %T lacks what is asked of it", dc)
	}
	return &conn{sqliteConn: base, from: c, kept: map[string]*list.Element{}}, nil
}

// A sqliteConn is what each connection of the driver can do, so that database/sql
// finds all of it through ours.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// A conn is one connection with its idle statements. database/sql calls its
// methods, and Close of its rows, one at a time.
type conn struct {
	sqliteConn
	from   connector
	kept   map[string]*list.Element // of *statement, by text; only idle ones
	used   list.List                // the same, the one used last in front
	closed bool
}

type statement struct {
	text string
	stmt driver.Stmt
}

// Unwrap gives the driver's own connection to sqlite.Limit.
func (c *conn) Unwrap() driver.Conn { return c.sqliteConn }

func (c *conn) Close() error {
	if c.from.shelf.put(c) {
		return nil
	}
	return c.discard()
}

func (c *conn) discard() error {
	c.closed = true
	for e := c.used.Front(); e != nil; e = e.Next() {
		e.Value.(*statement).stmt.Close()
	}
	c.used.Init()
	clear(c.kept)
	return c.sqliteConn.Close()
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if !keeps(text) {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := s.stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	if err != nil {
		s.stmt.Close()
		return nil, err
	}
	return result, c.give(s)
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if !keeps(text) {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := s.stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		s.stmt.Close()
		return nil, err
	}
	return &rows{Rows: r, conn: c, statement: s}, nil
}

// keeps says whether a text is one that comes again: a pragma may act while it is
// prepared, and a definition is run once.
func keeps(text string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	word, _, _ = strings.Cut(word, "\n")
	switch strings.ToUpper(word) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// take gives the statement of a text to one caller; a second one, while the rows of
// the first are open, gets its own.
func (c *conn) take(ctx context.Context, text string) (*statement, error) {
	if e, ok := c.kept[text]; ok {
		delete(c.kept, text)
		return c.used.Remove(e).(*statement), nil
	}
	stmt, err := c.sqliteConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &statement{text, stmt}, nil
}

func (c *conn) give(s *statement) error {
	if _, twice := c.kept[s.text]; twice || c.closed {
		return s.stmt.Close()
	}
	c.kept[s.text] = c.used.PushFront(s)
	if c.used.Len() <= c.from.size {
		return nil
	}
	last := c.used.Remove(c.used.Back()).(*statement)
	delete(c.kept, last.text)
	return last.stmt.Close()
}

// rows are those of a statement, which is idle again once they are closed.
type rows struct {
	driver.Rows
	conn      *conn
	statement *statement
}

func (r *rows) Close() error {
	s := r.statement
	if s == nil {
		return nil
	}
	r.statement = nil
	if err := r.Rows.Close(); err != nil {
		s.stmt.Close()
		return err
	}
	return r.conn.give(s)
}
