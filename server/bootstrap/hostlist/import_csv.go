package hostlist

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// csvColumns are the titles that tell what a column is; any other becomes the name of a label.
var csvColumns = map[string]string{
	"name": "name", "host": "name", "hostname": "name", "fqdn": "name", "node": "name", "server": "name", "主机": "name", "主机名": "name",
	"ip": settingAddress, "address": settingAddress, "ip address": settingAddress, "ipaddress": settingAddress, "ip_address": settingAddress, "地址": settingAddress,
	"user": settingUser, "username": settingUser, "ssh_user": settingUser, "用户": settingUser,
	"port": settingPort, "ssh_port": settingPort, "端口": settingPort, "机架": "rack",
}

// csvTitles reads the first line; nil when it has no titles that name hosts.
func csvTitles(line string) (titles []string, separator rune) {
	for _, separator = range ";\t," {
		words := strings.Split(line, string(separator))
		known := false
		for j, w := range words {
			w = strings.ToLower(strings.Trim(strings.TrimSpace(w), `"`))
			if c, ok := csvColumns[w]; ok {
				known = known || c == "name" || c == settingAddress
				w = c
			}
			words[j] = strings.ReplaceAll(w, " ", "_")
		}
		if known && (len(words) > 1 || separator == ',') {
			return words, separator
		}
	}
	return nil, 0
}

func looksLikeCSV(text string) bool {
	first, rest := cutLine(strings.TrimLeft(text, "\r\n"))
	titles, _ := csvTitles(first)
	return titles != nil && strings.TrimSpace(rest) != ""
}

// csv reads a table (RFC 4180) whose first line has titles, separated by commas, semicolons or tabs. A row without a
// name is called by its address.
func (i *importer) csv(text string) {
	first, _ := cutLine(strings.TrimLeft(text, "\r\n"))
	titles, separator := csvTitles(first)
	if titles == nil {
		i.note(1, CodeImportTitles, first)
		return
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = separator, -1, true, separator != '\t'
	_, _ = r.Read() // the titles
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			i.note(0, CodeImportBroken, err.Error())
			return
		}
		line, _ := r.FieldPos(0)
		i.csvRow(Host{Line: line}, titles, row)
	}
}

func (i *importer) csvRow(h Host, titles, row []string) {
	for j, cell := range row {
		if cell = strings.TrimSpace(cell); cell == "" || j >= len(titles) {
			continue
		}
		switch title := titles[j]; title {
		case "name":
			h.Name = strings.ToLower(cell)
		case settingAddress, settingUser, settingPort:
			i.set(&h, title, cell)
		default:
			i.label(&h, title, cell)
		}
	}
	if h.Name == "" {
		h.Name, h.Address = h.Address, ""
	}
	if h.Name != "" || strings.TrimSpace(strings.Join(row, "")) != "" {
		i.add(h)
	}
}
