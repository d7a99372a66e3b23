package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// maxDomains bounds what one row says; an account may have more rows.
const maxDomains = 500

// domains checks the domains of a row: host names in lower case, as DNS has them.
func (a *accountsFile) domains(line int, names []string) []string {
	if names == nil {
		return nil
	}
	all := []string{}
	for _, n := range names {
		if n = strings.TrimSuffix(strings.TrimSpace(n), "."); n == "" {
			continue
		}
		d, err := idna.Lookup.ToASCII(n)
		if err != nil || !strings.Contains(d, ".") || len(d) > 240 {
			a.complain(line, "domains %q: want names such as acme.example", clip(n, 80))
			continue
		}
		all = append(all, strings.ToLower(d))
	}
	if len(all) > maxDomains {
		a.complain(line, "domains has %d names, want at most %d in a row", len(all), maxDomains)
	}
	return all
}

// domains makes the domains of the accounts that the rows speak of the given ones. A
// domain that went and came back begins anew: what it was meanwhile nobody knows.
func (i *importer) domains(rows []AccountRow) error {
	wanted := map[string]map[string]bool{}
	for _, r := range rows {
		if r.Domains == nil {
			continue
		}
		if wanted[r.AccountID] == nil {
			wanted[r.AccountID] = map[string]bool{}
		}
		for _, d := range r.Domains {
			wanted[r.AccountID][d] = true
		}
	}
	for _, account := range slices.Sorted(maps.Keys(wanted)) {
		changed, err := i.setDomains(account, wanted[account])
		if err != nil {
			return fmt.Errorf("domains of account %s: %w", account, err)
		}
		if changed {
			i.report.Changed++
		}
	}
	return nil
}

func (i *importer) setDomains(account string, wanted map[string]bool) (changed bool, err error) {
	rows, err := i.tx.QueryContext(i.ctx, `SELECT id, domain FROM account_domain WHERE account_id = $1 AND until IS NULL`, account)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var gone []int64
	for rows.Next() {
		var id int64
		var domain string
		if err := rows.Scan(&id, &domain); err != nil {
			return false, err
		}
		if !wanted[domain] {
			gone = append(gone, id)
		}
		delete(wanted, domain)
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	for _, id := range gone {
		if _, err := i.tx.ExecContext(i.ctx, `UPDATE account_domain SET until = $2 WHERE id = $1`, id, micros(i.at)); err != nil {
			return false, err
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(wanted)) {
		_, err := i.tx.ExecContext(i.ctx, `INSERT INTO account_domain (account_id, domain, source, since) VALUES ($1, $2, $3, $4)`,
			account, domain, i.source, micros(i.at))
		if err != nil {
			return false, err
		}
	}
	return len(gone) > 0 || len(wanted) > 0, nil
}
