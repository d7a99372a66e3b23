package prepared

import (
	"context"
	"database/sql"
	"sync"

	"modernc.org/sqlite"
)

// A Shelf keeps the connections of handles that were closed, for the next handle of
// the same dsn: to open one, SQLite reads the whole schema, and each statement is
// prepared anew. It is for a process that opens one database again and again, as
// tests do. What a connection had begun and not ended is rolled back before it is
// put there. The zero value is ready; a nil Shelf keeps nothing.
type Shelf struct {
	mu     sync.Mutex
	idle   map[string][]*conn // by dsn
	closed bool
}

// Open is the function Open, on this shelf.
func (s *Shelf) Open(dsn string, size int) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{c, size, s, dsn}), nil
}

// Close closes what is on the shelf, and from now on whatever would be put there.
func (s *Shelf) Close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	var first error
	for _, all := range idle {
		for _, c := range all {
			if err := c.discard(); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

func (s *Shelf) take(dsn string) *conn {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.idle[dsn]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	s.idle[dsn] = all[:len(all)-1]
	return c
}

// put says whether the shelf keeps c.
func (s *Shelf) put(c *conn) bool {
	if s == nil || !c.IsValid() {
		return false
	}
	// Outside a transaction this is refused, and so much the better.
	_, _ = c.sqliteConn.ExecContext(context.Background(), "ROLLBACK", nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.idle == nil {
		s.idle = map[string][]*conn{}
	}
	s.idle[c.from.dsn] = append(s.idle[c.from.dsn], c)
	return true
}
