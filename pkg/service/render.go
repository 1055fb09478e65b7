package service

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Markdown renders settings as a table for docs/config.md.
func Markdown(settings []Setting) string {
	var b strings.Builder
	b.WriteString("| variable | value | default | what it does |\n|---|---|---|---|\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Variable, s.kind(), code(s.Default), cell(s.Doc))
	}
	return b.String()
}

// Dotenv renders settings in the form of .env.example: a variable with a default is commented out, a required one waits to be filled in.
// A variable that occurs twice, as it does in the settings of several services, is written once.
func Dotenv(settings []Setting) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, s := range settings {
		if seen[s.Variable] {
			continue
		}
		seen[s.Variable] = true
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(s.Doc+" ("+s.kind()+")"), " "))
		if s.Required {
			fmt.Fprintf(&b, "%s=\n", s.Variable)
		} else {
			fmt.Fprintf(&b, "#%s=%s\n", s.Variable, s.Default)
		}
	}
	return b.String()
}

// writeSettings answers the config subcommand.
func writeSettings(w io.Writer, settings []Setting, format string) error {
	switch format {
	case "table":
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(tw, "VARIABLE\tVALUE\tDEFAULT\tWHAT IT DOES")
		for _, s := range settings {
			_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", s.Variable, s.kind(), s.Default, s.Doc)
		}
		return tw.Flush()
	case "markdown":
		_, err := io.WriteString(w, Markdown(settings))
		return err
	case "dotenv":
		_, err := io.WriteString(w, Dotenv(settings))
		return err
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(settings)
	default:
		return fmt.Errorf("unknown format %q: want table, markdown, dotenv or json", format)
	}
}

// kind is the setting's type with its marks, for example "text, secret, required".
func (s Setting) kind() string {
	kind := s.Type
	if s.Secret {
		kind += ", secret"
	}
	if s.Required {
		kind += ", required"
	}
	return kind
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
