// Package resetdesk carries the one database schema, schema.sql, and nothing
// else. Rooms that hold SQL (review and totp) work on tables declared there;
// a panel that embeds totp alone creates its tables from the same text.
package resetdesk

import _ "embed"

// Version is the number of the schema in [Schema]. A database says its own in
// table meta; an older one is migrated, a newer one is refused.
const Version = 1

// Schema is the whole schema of a fresh database, as one SQL script for SQLite.
//
//go:embed schema.sql
var Schema string
