package main

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// assign puts a value of the file into v. The answer is what is wrong with it,
// and what to write instead.
func assign(v reflect.Value, value any) (problem string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Type() {
	case reflect.TypeFor[time.Duration]():
		return assignDuration(v, value)
	case reflect.TypeFor[time.Time]():
		return assignTime(v, value)
	case reflect.TypeFor[[]EvidenceConfig]():
		all, problem := readEvidence(value)
		v.Set(reflect.ValueOf(all))
		return problem
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := value.(string); ok {
			v.SetString(s)
			return ""
		}
		return "is " + kindOf(value) + `, write a text in quotation marks: "..."`
	case reflect.Int:
		if n, ok := value.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			v.SetInt(n)
			return ""
		}
		return "is " + kindOf(value) + ", write a whole number without quotation marks"
	case reflect.Bool:
		if b, ok := value.(bool); ok {
			v.SetBool(b)
			return ""
		}
		return "is " + kindOf(value) + ", write true or false without quotation marks"
	}
	return assignList(v, value)
}

func assignList(v reflect.Value, value any) (problem string) {
	items, ok := value.([]any)
	if !ok {
		return "is " + kindOf(value) + `, write a list: ["..."]`
	}
	list := make([]string, len(items))
	for i, item := range items {
		if list[i], ok = item.(string); !ok {
			return "holds " + kindOf(item) + `, write a list of texts: ["...", "..."]`
		}
	}
	v.Set(reflect.ValueOf(list))
	return ""
}

func assignDuration(v reflect.Value, value any) (problem string) {
	s, ok := value.(string)
	if !ok {
		return "is " + kindOf(value) + `, write a duration with its unit: "15m", "2h", "14d"`
	}
	d, err := parseDuration(s)
	if err != nil {
		return fmt.Sprintf("is %q, %v", s, err)
	}
	v.SetInt(int64(d))
	return ""
}

func assignTime(v reflect.Value, value any) (problem string) {
	var t time.Time
	switch x := value.(type) {
	case time.Time:
		t = x
	case toml.LocalDate:
		t = x.AsTime(time.UTC)
	case toml.LocalDateTime:
		t = x.AsTime(time.UTC)
	case string:
		if x == "" {
			return ""
		}
		var err error
		if t, err = time.Parse(time.DateOnly, x); err != nil {
			if t, err = time.Parse(time.RFC3339, x); err != nil {
				return fmt.Sprintf(`is %q, write a day: "2027-01-31"`, x)
			}
		}
	default:
		return "is " + kindOf(value) + `, write a day: "2027-01-31"`
	}
	v.Set(reflect.ValueOf(t.UTC()))
	return ""
}

// kindOf names the type of a TOML value for a person.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	}
	return "a date"
}

// maxDuration bounds every duration: ten years.
const maxDuration = 3650 * day

// parseDuration reads "90s", "2h30m", "14d" or "1d12h".
func parseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf(`write a duration with its unit: "15m", "2h", "14d"`)
	var days time.Duration
	rest := s
	if n, after, ok := strings.Cut(s, "d"); ok {
		count, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return 0, wrong
		}
		days, rest = time.Duration(count)*day, after
	}
	var d time.Duration
	if rest != "" || s == "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || strings.HasPrefix(rest, "+") {
			return 0, wrong
		}
	}
	if d < 0 {
		return 0, fmt.Errorf("write a duration that is not negative")
	}
	if d > maxDuration || days > maxDuration || days+d > maxDuration {
		return 0, fmt.Errorf("write at most 3650d")
	}
	return days + d, nil
}
