package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// loader is the state of reading one configuration.
type loader struct {
	file     string
	data     []byte
	env      map[string]string // RESETDESK_* only
	places   map[string]place  // where a key stands in the file
	fromEnv  map[string]string // key -> the variable that gave it
	given    map[string]bool   // keys that the file or the environment sets
	unread   map[string]bool   // keys whose value has the wrong type
	problems []ConfigProblem
}

type place struct{ line, column int }

func environment(environ []string) map[string]string {
	m := map[string]string{}
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok && (strings.HasPrefix(k, "RESETDESK_") || k == "CREDENTIALS_DIRECTORY") {
			m[k] = v
		}
	}
	return m
}

// setting is one key and where its value goes.
type setting struct {
	key   string // "policy.waiting.low"
	value reflect.Value
}

// settings lists every key of v, a struct, below prefix.
func settings(prefix string, v reflect.Value) []setting {
	var all []setting
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("toml")
		if name == "-" {
			continue
		}
		if v.Type().Field(i).Anonymous {
			all = append(all, settings(prefix, v.Field(i))...)
			continue
		}
		key := strings.TrimPrefix(prefix+"."+name, ".")
		switch t := v.Type().Field(i).Type; {
		case isNamed(t):
			for _, name := range v.Field(i).MapKeys() {
				all = append(all, settings(key+"."+name.String(), v.Field(i).MapIndex(name).Elem())...)
			}
		case isTable(t):
			all = append(all, settings(key, v.Field(i))...)
		default:
			all = append(all, setting{key, v.Field(i)})
		}
	}
	return all
}

func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() || isNamed(t)
}

// isNamed is for tables that the operator names: [mailboxes.NAME].
func isNamed(t reflect.Type) bool { return t.Kind() == reflect.Map }

// load fills c from the file, then the environment, then checks it.
func (l *loader) load(c *Config) {
	l.fromEnv, l.given, l.unread = map[string]string{}, map[string]bool{}, map[string]bool{}
	var tree map[string]any
	if err := toml.Unmarshal(l.data, &tree); err != nil {
		l.syntax(err)
		return
	}
	l.places = placesIn(l.data)
	l.nameMailboxes(c, tree)
	all := settings("", reflect.ValueOf(c).Elem())
	known := map[string]setting{}
	for _, s := range all {
		known[s.key] = s
	}
	l.fromFile("", tree, reflect.TypeFor[Config](), known)
	l.fromEnvironment(c, all)
	l.check(c)
}

// syntax reports a file that is no TOML; then there is nothing else to say.
func (l *loader) syntax(err error) {
	p := ConfigProblem{Key: "syntax", Text: err.Error()}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		p.Text = strings.TrimPrefix(bad.Error(), "toml: ")
		p.Line, p.Column = bad.Position()
		p.snippet = l.snippet(p.Line, p.Column, 1)
	}
	l.problems = append(l.problems, p)
}

// placesIn finds where each key stands: a strict decoder, given tables without
// keys, complains about every one of them with its position.
func placesIn(data []byte) map[string]place {
	at := map[string]place{}
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	var strict *toml.StrictMissingError
	var mismatch *toml.DecodeError
	err := d.Decode(reflect.New(bareTables(reflect.TypeFor[Config]())).Interface())
	switch {
	case errors.As(err, &mismatch) && !errors.As(err, &strict):
		// A section that is no table stops the decoder; it alone gets its place.
		line, column := mismatch.Position()
		at[strings.Join(mismatch.Key(), ".")] = place{line, column}
	case strict != nil:
		for i := range strict.Errors {
			e := &strict.Errors[i]
			line, column := e.Position()
			key := strings.Join(e.Key(), ".")
			if _, ok := at[key]; !ok {
				at[key] = place{line, column}
			}
		}
	}
	return at
}

// bareTables is the type t with its tables only.
func bareTables(t reflect.Type) reflect.Type {
	if isNamed(t) {
		return reflect.MapOf(t.Key(), bareTables(t.Elem().Elem()))
	}
	var tables []reflect.StructField
	for f := range t.Fields() {
		if isTable(f.Type) && f.Tag.Get("toml") != "-" && !f.Anonymous {
			tables = append(tables, reflect.StructField{Name: f.Name, Type: bareTables(f.Type), Tag: f.Tag})
		}
	}
	return reflect.StructOf(tables)
}

// fromFile walks what the file holds below prefix, a table of type t.
func (l *loader) fromFile(prefix string, tree map[string]any, t reflect.Type, known map[string]setting) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		key := strings.TrimPrefix(prefix+"."+name, ".")
		if s, ok := known[key]; ok {
			l.given[key] = true
			if problem := assign(s.value, tree[name]); problem != "" {
				l.complain(key, "%s", problem)
				l.unread[key] = true
			}
			continue
		}
		table := tableIn(t, name)
		below, isMap := tree[name].(map[string]any)
		switch {
		case table == nil:
			l.unknown(key, prefix, t)
		case !isMap:
			l.complain(key, "is a section, write [%s]", key)
			for k := range known {
				l.unread[k] = l.unread[k] || strings.HasPrefix(k, key+".")
			}
		default:
			l.fromFile(key, below, table, known)
		}
	}
}

func tableIn(t reflect.Type, name string) reflect.Type {
	if isNamed(t) {
		return t.Elem().Elem()
	}
	for f := range t.Fields() {
		if f.Tag.Get("toml") == name && isTable(f.Type) {
			return f.Type
		}
	}
	return nil
}

func (l *loader) unknown(key, section string, t reflect.Type) {
	name := key[strings.LastIndexByte(key, '.')+1:]
	names := namesIn(t)
	switch {
	case section == "":
		l.complain(key, "unknown section%s", instead(name, names))
	case name == "password" || slices.Contains(names, name+"_file"):
		l.complain(key, "a %s does not belong into this file; write it into a file of its own and set %s_file, or set %s", strings.ReplaceAll(name, "_", " "), name, variable(key))
	default:
		l.complain(key, "unknown key%s", instead(name, names))
	}
}

// namesIn lists the keys of a table.
func namesIn(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, namesIn(f.Type)...)
		} else if tag := f.Tag.Get("toml"); tag != "-" {
			names = append(names, tag)
		}
	}
	return names
}

// instead suggests the nearest name, or lists them all.
func instead(name string, names []string) string {
	best, least := "", 4
	for _, n := range names {
		if d := distance(name, n); d < least && d < max(len(name), 3)-1 {
			best, least = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; known are " + strings.Join(names, ", ")
}

// distance is the number of letters to change, add or drop.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(d, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

// variable is the environment variable of a key.
func variable(key string) string {
	return "RESETDESK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// fromEnvironment lets RESETDESK_SECTION_KEY win over the file. A variable that
// begins like a section but names no key is a typing error and reported.
func (l *loader) fromEnvironment(c *Config, all []setting) {
	known := map[string]bool{}
	for _, s := range all {
		name := variable(s.key)
		known[name] = true
		text, ok := l.env[name]
		if !ok {
			continue
		}
		l.fromEnv[s.key], l.given[s.key], l.unread[s.key] = name, true, false
		value, problem := fromText(s.value, text)
		if problem == "" {
			problem = assign(s.value, value)
		}
		if problem != "" {
			l.complain(s.key, "%s", problem)
			l.unread[s.key] = true
		}
	}
	secrets := map[string]*Secret{"smtp.password": &c.SMTP.Password, "mailbox.password": &c.Mailbox.Password}
	secrets["server.sso.client_secret"] = &c.Server.SSO.ClientSecret
	signIns := map[string]*SignInConfig{"smtp": &c.SMTP.SignInConfig, "mailbox": &c.Mailbox.SignInConfig}
	for name, m := range c.Mailboxes {
		secrets[furtherMailbox+name+".password"], signIns[furtherMailbox+name] = &m.Password, &m.SignInConfig
	}
	for section, a := range signIns {
		secrets[section+".client_secret"], secrets[section+".service_account"], secrets[section+".refresh_token"] = &a.ClientSecret, &a.ServiceAccount, &a.RefreshToken
	}
	for key, s := range secrets {
		known[variable(key)] = true
		*s = newSecret(l.env[variable(key)])
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		section, _, _ := strings.Cut(strings.TrimPrefix(name, "RESETDESK_"), "_")
		if !known[name] && name != "CREDENTIALS_DIRECTORY" && tableIn(reflect.TypeFor[Config](), strings.ToLower(section)) != nil {
			l.problems = append(l.problems, ConfigProblem{Key: name, Text: "unknown variable" + instead(name, slices.Sorted(maps.Keys(known)))})
		}
	}
}

// fromText reads a variable as the type that v needs.
func fromText(v reflect.Value, text string) (value any, problem string) {
	switch elem(v.Type()).Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Sprintf("is %q, write true or false", text)
		}
		return b, ""
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Sprintf("is %q, write a number", text)
		}
		return n, ""
	case reflect.Slice:
		list := []any{}
		for s := range strings.SplitSeq(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		return list, ""
	}
	return text, ""
}

func elem(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// sources says where each key that is set is set.
func (l *loader) sources() map[string]string {
	all := map[string]string{}
	for key := range l.given {
		switch at, inFile := l.places[key]; {
		case l.fromEnv[key] != "":
			all[key] = "the environment, " + l.fromEnv[key]
		case inFile:
			all[key] = fmt.Sprintf("%s, line %d", filepath.Base(l.file), at.line)
		default:
			all[key] = filepath.Base(l.file)
		}
	}
	return all
}
