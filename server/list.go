package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// pageSize is how many items of a list are asked for at a time.
const pageSize = "1000"

// printList prints all of a list, whatever number of pages it has: as a table with a heading and a row for each item, or as
// one JSON document like a page of the API's. Filters without a value are none.
func printList[T any](c *cobra.Command, o *connection, path string, filters map[string]string, heading string, row func(*T) string) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	query := url.Values{"limit": {pageSize}}
	for name, value := range filters {
		if value != "" {
			query.Set(name, value)
		}
	}
	if o.json {
		all := struct {
			Items []json.RawMessage `json:"items"`
		}{[]json.RawMessage{}}
		for item, err := range client.All[json.RawMessage](c.Context(), api, path, query) {
			if err != nil {
				return refused(c, err)
			}
			all.Items = append(all.Items, *item)
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(all)
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, heading); err != nil {
		return err
	}
	for item, err := range client.All[T](c.Context(), api, path, query) {
		if err != nil {
			return refused(c, err)
		}
		if _, err := fmt.Fprintln(w, row(item)); err != nil {
			return err
		}
	}
	return w.Flush()
}
