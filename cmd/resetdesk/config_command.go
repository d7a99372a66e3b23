package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	return group("config", "The configuration: is it sound, what holds, and what it can say", configCheckCommand(), configPrintCommand(), configExampleCommand())
}

func configCheckCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with the configuration, with line and key",
		Long: "Say everything that is wrong with the configuration, with line and key. Secrets are not read, so that it can be\n" +
			"checked where they are not mounted; doctor looks at them and at the servers.",
		Example: "  resetdesk config check -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is sound: %d keys are set\n", config, cfg.Given)
			return nil
		},
	}
	configFlag(c, &config)
	return c
}

func configPrintCommand() *cobra.Command {
	var config string
	var asJSON bool
	c := &cobra.Command{
		Use:     "print",
		Short:   "Print every key with the value that holds and where it comes from; secrets stand in files and are not printed",
		Example: "  resetdesk config print -config /etc/resetdesk/resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(config, os.Environ())
			if err != nil {
				return err
			}
			keys := heldKeys(cfg)
			if asJSON {
				return printJSON(c, keys)
			}
			printKeys(c.OutOrStdout(), keys)
			return nil
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func configExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a commented configuration file with every key",
		Example: "  resetdesk config example > resetdesk.toml",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), ExampleConfig(Example{}))
			return err
		},
	}
}

// A heldKey is one key of the configuration with the value that holds.
type heldKey struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Source string `json:"source"` // a line of the file or a variable, "default" if neither has it
}

// heldKeys are all keys in the order of the sections.
func heldKeys(cfg Config) []heldKey {
	var all []heldKey
	walkKeys(reflect.ValueOf(cfg), "", func(key string, v reflect.Value) {
		var value any // nil for a number of the policy that comes from its preset
		if v.Kind() != reflect.Pointer {
			value = v.Interface()
		} else if !v.IsNil() {
			value = v.Elem().Interface()
		}
		if d, ok := value.(time.Duration); ok {
			value = d.String()
		}
		source := cfg.Sources[key]
		if source == "" {
			source = "default"
		}
		all = append(all, heldKey{key, value, source})
	})
	return all
}

// walkKeys visits the fields that the file can set: those with a name in TOML, and
// those of structs without one.
func walkKeys(v reflect.Value, prefix string, visit func(key string, v reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			walkKeys(v.Field(i), prefix, visit)
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() && hasKeys(f.Type):
			walkKeys(v.Field(i), prefix+name+".", visit)
		default:
			visit(prefix+name, v.Field(i))
		}
	}
}

func hasKeys(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("toml") != "" || t.Field(i).Anonymous {
			return true
		}
	}
	return false
}

func printKeys(w io.Writer, keys []heldKey) {
	for _, k := range keys {
		value := fmt.Sprint(k.Value)
		switch v := k.Value.(type) {
		case nil:
			value = "of the preset"
		case string:
			value = quoteTOML(v)
		case time.Time:
			if value = "never"; !v.IsZero() {
				value = v.Format(time.DateOnly)
			}
		}
		fmt.Fprintf(w, "%-34s = %-40s # %s\n", k.Key, value, k.Source)
	}
}
