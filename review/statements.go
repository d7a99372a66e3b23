package review

import (
	"context"
	"database/sql"

	"github.com/resetdesk/resetdesk/totp"
)

var _ totp.Querier = (*statements)(nil)

// statements compiles each query of a transaction once. It is for those that
// ask the same of many rows, where compiling costs more than running. The
// compiled ones end with the transaction. A query must be read to its end before
// it is asked again.
type statements struct {
	tx    *sql.Tx
	known map[string]*sql.Stmt
}

func compiled(tx *sql.Tx) *statements { return &statements{tx: tx, known: map[string]*sql.Stmt{}} }

func (s *statements) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.known[query]; ok {
		return st, nil
	}
	st, err := s.tx.PrepareContext(ctx, query)
	if err == nil {
		s.known[query] = st
	}
	return st, err
}

// QueryContext is that of [sql.Tx].
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// QueryRowContext is that of [sql.Tx].
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return s.tx.QueryRowContext(ctx, query, args...) // its Row has the error
	}
	return st.QueryRowContext(ctx, args...)
}
