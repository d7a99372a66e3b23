// Package ui is everything over HTTP: the pages of the support staff and the pages
// behind the links of letters. Reviewers set up their second factor on the pages
// of totp/panel.
//
// A handler parses its input, makes one call on the desk and renders a page or
// answers 303. Rules, SQL and mail live elsewhere. What every handler may rely
// on, because it is done in one place:
//
//   - No GET changes anything: neither a link scanner nor a reload can act.
//   - The route table names what each route needs, and a route that is not in it
//     does not exist. The desk checks again.
//   - A request from another site is refused ([net/http.CrossOriginProtection]),
//     one for a Host that is not ours answers 421: links are built from the
//     configuration alone.
//   - Pages are rendered to a buffer first, run no script but our own, load
//     nothing from elsewhere and are never stored by a cache.
//   - Text of strangers is shown as text. Characters that change the direction or
//     the look of a line without being seen are made visible.
//   - Tokens of links, sessions and codes are never logged.
package ui
