package review

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/totp"
)

// registeredFor looks up the registered addresses that a header could be about:
// those that stand in it, and those that a claimed sender imitates.
func (s *likeness) registeredFor(ctx context.Context, n names) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	add := func(address string) {
		if !seen[address] {
			seen[address] = true
			found = append(found, address)
		}
	}
	if err := s.lookUp(ctx, n.all); err != nil {
		return nil, err
	}
	if err := s.inhabited(ctx, n.claimed); err != nil {
		return nil, err
	}
	for _, c := range n.all {
		for _, same := range s.stored[c] {
			if same.role == "admin" {
				add(same.address)
			}
		}
	}
	for _, c := range n.claimed {
		local, domain, ok := cutAddress(c)
		if !ok {
			continue
		}
		imitated, err := s.imitated(ctx, local, domain)
		if err != nil {
			return nil, err
		}
		for _, address := range imitated {
			add(address)
		}
	}
	return found, nil
}

// maxResidents is how many registered addresses of one local part are compared
// letter by letter.
const maxResidents = 5000

// A likeness searches for what the addresses of headers imitate, in one snapshot.
// It asks the database once for a local part, however many domains a stranger puts
// behind it, and however many headers name it.
type likeness struct {
	tx     totp.Querier
	stored map[string][]stored // by address as it is looked up; empty for one that is not on file
	homes  map[string]bool     // whether an address on file has this local part
	locals map[string][]resident
	rare   map[[2]string][]resident // local part and skeleton, where there are too many residents
}

func newLikeness(tx totp.Querier) *likeness {
	return &likeness{tx: tx, stored: map[string][]stored{}, homes: map[string]bool{}, locals: map[string][]resident{}, rare: map[[2]string][]resident{}}
}

// A stored address is one on file, as it is written there.
type stored struct{ address, role string }

// lookedUp is how many addresses one query looks up.
const lookedUp = 32

var lookUpSQL = `SELECT DISTINCT lookup, address, role FROM address WHERE until IS NULL AND lookup IN ($1` + placeholders(2, lookedUp) + `)`

func placeholders(from, to int) (list string) {
	for n := from; n <= to; n++ {
		list += fmt.Sprintf(", $%d", n)
	}
	return list
}

// lookUp reads which of the addresses are on file, many in one query: each query costs
// more than what it finds.
func (s *likeness) lookUp(ctx context.Context, addresses []string) error {
	var unknown []any
	for _, a := range addresses {
		if _, known := s.stored[a]; !known {
			s.stored[a] = nil
			unknown = append(unknown, a)
		}
	}
	for some := range slices.Chunk(unknown, lookedUp) {
		args := make([]any, lookedUp) // NULL is in no list
		copy(args, some)
		rows, err := s.tx.QueryContext(ctx, lookUpSQL, args...)
		if err != nil {
			return fmt.Errorf("look up addresses: %w", err)
		}
		if err := s.keep(rows); err != nil {
			return fmt.Errorf("look up addresses: %w", err)
		}
	}
	return nil
}

func (s *likeness) keep(rows *sql.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var lookup string
		var a stored
		if err := rows.Scan(&lookup, &a.address, &a.role); err != nil {
			return err
		}
		s.stored[lookup] = append(s.stored[lookup], a)
	}
	return rows.Err()
}

// inhabitedSQL asks which local parts some address on file has: a range over the lookup
// column is a local part and its "@".
var inhabitedSQL = `SELECT column1 FROM (VALUES ($1)` + values(2, lookedUp) + `) WHERE EXISTS (
	SELECT 1 FROM address WHERE until IS NULL AND lookup >= column1 || '@' AND lookup < column1 || 'A')`

func values(from, to int) (list string) {
	for n := from; n <= to; n++ {
		list += fmt.Sprintf(", ($%d)", n)
	}
	return list
}

// inhabited notes that nobody lives at those local parts of the addresses that are not on
// file, many in one query: ordinary mail imitates nobody.
func (s *likeness) inhabited(ctx context.Context, addresses []string) error {
	var unknown []any
	for _, a := range addresses {
		local, _, ok := cutAddress(a)
		if _, asked := s.homes[local]; ok && !asked {
			s.homes[local] = false
			unknown = append(unknown, local)
		}
	}
	for some := range slices.Chunk(unknown, lookedUp) {
		args := make([]any, lookedUp) // nothing is in the range of NULL
		copy(args, some)
		rows, err := s.tx.QueryContext(ctx, inhabitedSQL, args...)
		if err != nil {
			return fmt.Errorf("look up local parts: %w", err)
		}
		if err := s.note(rows); err != nil {
			return fmt.Errorf("look up local parts: %w", err)
		}
	}
	return nil
}

func (s *likeness) note(rows *sql.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var local string
		if err := rows.Scan(&local); err != nil {
			return err
		}
		s.homes[local] = true
	}
	return rows.Err()
}

// isNowhere reports whether an address that was looked up is not on file.
func (s *likeness) isNowhere(address string) bool { return len(s.stored[address]) == 0 }

// A resident is a registered address among those of one local part.
type resident struct{ address, skeleton string }

// imitated returns registered addresses with the same local part at a confusable
// domain, and one whose domain is a letter or two away.
func (s *likeness) imitated(ctx context.Context, local, domain string) ([]string, error) {
	if !s.homes[local] {
		return nil, nil
	}
	residents, known := s.locals[local]
	if !known {
		var err error
		residents, err = s.residents(ctx, `SELECT address, skeleton FROM address
			WHERE until IS NULL AND role = 'admin' AND lookup >= $1 AND lookup < $2 LIMIT $3`, local+"@", local+"A", maxResidents)
		if err != nil {
			return nil, err
		}
		s.locals[local] = residents
	}
	key := [2]string{local, sender.Skeleton(domain)}
	confusable := residents
	if len(residents) == maxResidents {
		if confusable, known = s.rare[key]; !known {
			var err error
			confusable, err = s.residents(ctx, `SELECT address, skeleton FROM address WHERE until IS NULL AND role = 'admin'
				AND skeleton = $1 AND lookup >= $2 AND lookup < $3 LIMIT 20`, key[1], local+"@", local+"A")
			if err != nil {
				return nil, err
			}
			s.rare[key] = confusable
		}
	}
	var found []string
	for _, r := range confusable {
		if r.skeleton == key[1] && len(found) < 20 {
			found = append(found, r.address)
		}
	}
	for _, r := range residents {
		if _, at, _ := cutAddress(r.address); sender.Misspelt(domain, at) {
			return append(found, r.address), nil
		}
	}
	return found, nil
}

// residents reads addresses and skeletons.
func (s *likeness) residents(ctx context.Context, query string, args ...any) ([]resident, error) {
	rows, err := s.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []resident
	for rows.Next() {
		var r resident
		if err := rows.Scan(&r.address, &r.skeleton); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}
