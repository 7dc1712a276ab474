package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hostler/db"
	"hostler/server/audit"
)

// auditFilter are the flags that choose entries.
type auditFilter struct {
	query        db.AuditQuery
	result       string
	since, until string
}

func (f *auditFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.query.Actor, "actor", "", "only what this `name` did: a user, token:NAME, cli:NAME or host:NAME")
	c.Flags().StringVar(&f.query.Action, "action", "", "only this `action`, or all that begin with this word, as in user")
	c.Flags().StringVar(&f.query.Target, "target", "", "only what was done to this `name`")
	c.Flags().StringVar(&f.result, "result", "", "only what ended like this: done, refused or failed")
	c.Flags().StringVar(&f.since, "since", "", "only from this `time` on, as in 2026-03-01 or 2026-03-01T08:00:00Z")
	c.Flags().StringVar(&f.until, "until", "", "only from before this `time`")
}

func (f *auditFilter) complete() (err error) {
	f.query.Result = db.AuditResult(f.result)
	if f.query.Since, err = readTime("since", f.since); err == nil {
		f.query.Until, err = readTime("until", f.until)
	}
	return err
}

// readTime reads a day or a moment; days begin at midnight, local time.
func readTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return t, fmt.Errorf("cannot read --%s %q: write a day as 2026-03-01, or a time as 2026-03-01T08:00:00Z", flag, text)
	}
	return t.UTC(), nil
}

// onAudit is a command that reads the audit log.
func onAudit(c *cobra.Command, do func(ctx context.Context, r *audit.Reader, d *db.DB) error) *cobra.Command {
	return onStore(c, func(ctx context.Context, s *store, _ []string) error {
		r, err := audit.View(s.db, s.data)
		if err != nil {
			return err
		}
		return do(ctx, r, s.db)
	})
}

func listAudit() *cobra.Command {
	var (
		f      auditFilter
		most   int
		asJSON bool
	)
	c := &cobra.Command{
		Use: "list", Short: "List who did what, the newest first", Args: cobra.NoArgs,
		Example: "  hostler audit list --action user --since 2026-03-01\n  hostler audit list --result refused",
	}
	f.flags(c)
	c.Flags().IntVar(&most, "most", 100, "at most this `number` of entries")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON as the API answers it")
	return onAudit(c, func(ctx context.Context, _ *audit.Reader, d *db.DB) error {
		if err := f.complete(); err != nil {
			return err
		}
		f.query.Limit = most
		es, err := d.Audit(ctx, f.query)
		if err != nil {
			return err
		}
		return printItems(c, asJSON, "ENTRY\tTIME\tWHO\tFROM\tWHAT\tON\tRESULT", es, func(e *db.AuditEntry) string {
			result := string(e.Result)
			if e.Code != "" {
				result += " (" + e.Code + ")"
			}
			return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s", e.ID, local(&e.Time), plain(e.Actor), plain(e.Address), e.Action, plain(e.Target), result)
		})
	})
}

// plain makes a text that may be anybody's harmless for a terminal, and a line of a table of it.
func plain(s string) string {
	if s == "" {
		return "-"
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func verifyAudit() *cobra.Command {
	var (
		after  int64
		file   string
		asJSON bool
	)
	c := &cobra.Command{
		Use: "verify", Short: "Verify that the audit log is as it was written", Args: cobra.NoArgs,
		Long: "Verify that no entry of the audit log was changed, removed, inserted or reordered, and that none is missing at the end. " +
			"It ends with status 1 when something is wrong. The hash that it prints proves later what the log was: keep it elsewhere.\n\n" +
			"With --file it looks at an export in JSON lines, anywhere and without the database. Who wrote the entries it tells only where " +
			"audit/key is in the data directory; without it, hold the hash that it prints against one that you kept.",
		Example: "  hostler audit verify --data /var/lib/hostler\n  hostler audit verify --file march.jsonl",
	}
	c.Flags().StringVar(&file, "file", "", "verify this `file`, an export in JSON lines")
	c.Flags().Int64Var(&after, "after", 0, "begin behind this `entry`, for example one at which a known gap ends")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON as the API answers it")
	c = onAudit(c, func(ctx context.Context, r *audit.Reader, _ *db.DB) error {
		report, err := r.Verify(ctx, after)
		return verdict(c, report, err, asJSON)
	})
	ofLog := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if file == "" {
			return ofLog(c, args)
		}
		data, err := c.Flags().GetString("data")
		if err != nil {
			return err
		}
		report, err := verifyFile(file, data)
		return verdict(c, report, err, asJSON)
	}
	return c
}

// verifyFile verifies an export.
func verifyFile(file, data string) (report *audit.Report, err error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if report, err = audit.VerifyExport(in, data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return report, nil
}

// verdict prints a report, and fails when it has problems.
func verdict(c *cobra.Command, report *audit.Report, err error, asJSON bool) error {
	if err != nil {
		return fmt.Errorf("cannot verify the audit log: %w", err)
	}
	if err := printReport(c.OutOrStdout(), report, asJSON); err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return errors.New("the audit log is not as it was written")
	}
	return nil
}

func printReport(out io.Writer, report *audit.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(report)
	}
	for _, p := range report.Problems {
		where := "the log"
		if p.Entry > 0 {
			where = "entry " + strconv.FormatInt(p.Entry, 10)
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", where, plain(p.Message)); err != nil {
			return err
		}
	}
	if !report.Sealed {
		if _, err := fmt.Fprintln(out, "who wrote the entries was not looked at: the key is not in the data directory"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d entries verified, the last is %d with hash %s\n", report.Entries, report.Last, report.Hash)
	return err
}

func exportAudit() *cobra.Command {
	var (
		f            auditFilter
		format, file string
	)
	c := &cobra.Command{
		Use: "export", Short: "Export the audit log as JSON lines or CSV, the oldest first", Args: cobra.NoArgs,
		Example: "  hostler audit export --since 2026-03-01 > march.jsonl\n  hostler audit export --format csv --output audit.csv",
	}
	f.flags(c)
	c.Flags().StringVar(&format, "format", audit.JSONLines, "`format`: jsonl or csv")
	c.Flags().StringVarP(&file, "output", "o", "", "write to this `file` (default: standard output)")
	return onStore(c, func(ctx context.Context, s *store, _ []string) error {
		if err := f.complete(); err != nil {
			return err
		}
		r, err := audit.View(s.db, s.data)
		if err != nil {
			return err
		}
		return s.record(ctx, "audit.export", func(ctx context.Context) error {
			audit.About(ctx, format, nil, nil)
			if file == "" {
				return r.Export(ctx, c.OutOrStdout(), format, f.query)
			}
			out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("cannot export: %w", err)
			}
			return errors.Join(r.Export(ctx, out, format, f.query), out.Close())
		})
	})
}
