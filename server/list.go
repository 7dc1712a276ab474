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

// post calls the API and prints its answer: as it came with --json, and otherwise as print does.
func post[T any](c *cobra.Command, o *connection, path string, in any, print func(*T) error) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := api.Post(c.Context(), path, in, &answer); err != nil {
		return refused(c, err)
	}
	return printAnswer(c, o, answer, print)
}

// ask is post for what only reads.
func ask[T any](c *cobra.Command, o *connection, path string, print func(*T) error) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := api.Get(c.Context(), path, &answer); err != nil {
		return refused(c, err)
	}
	return printAnswer(c, o, answer, print)
}

func printAnswer[T any](c *cobra.Command, o *connection, answer json.RawMessage, print func(*T) error) error {
	if o.json {
		_, err := fmt.Fprintln(c.OutOrStdout(), string(answer))
		return err
	}
	var reply T
	if err := json.Unmarshal(answer, &reply); err != nil {
		return fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return print(&reply)
}
