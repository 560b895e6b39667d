package proxy

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// decoders are the ways in which servers come from the target of a request, as it
// stands in its first line, to the path for which they look for a handler.
var decoders = map[string]func(target string) string{
	// hyper, axum and matchit compare the path as it is.
	"axum": beforeQuery,
	// A route's parameters are decoded; so would a router be that decodes first.
	"axum, decoded": func(target string) string { return percentDecoded(beforeQuery(target)) },
	// Bun puts scheme and host in front and parses that as WHATWG says.
	"bun": func(target string) string { return whatwg("http://site.test" + target) },
	// The application decodes the pathname it got from Bun, or parses it once more.
	"bun, decoded": func(target string) string { return percentDecoded(whatwg("http://site.test" + target)) },
	"bun, decoded, again": func(target string) string {
		return whatwg("http://site.test" + percentDecoded(whatwg("http://site.test"+target)))
	},
	// new URL(request.url, base): two slashes begin the name of a host.
	"node, new URL":          func(target string) string { return whatwgRelative(target) },
	"node, new URL, decoded": func(target string) string { return percentDecoded(whatwgRelative(target)) },
	"node, decoded, new URL": func(target string) string { return whatwgRelative(percentDecoded(target)) },
	"node, decoded twice, new URL": func(target string) string {
		return whatwgRelative(percentDecoded(percentDecoded(target)))
	},
	// url.parse(request.url): backslashes are slashes, nothing is resolved.
	"node, url.parse": urlParse,
	// Express compares the pathname of url.parse; middleware decodes it before.
	"express, decoded":       func(target string) string { return percentDecoded(urlParse(target)) },
	"express, decoded twice": func(target string) string { return percentDecoded(percentDecoded(urlParse(target))) },
	// Static file handlers decode and then resolve, as path.normalize does.
	"static": func(target string) string { return path.Clean(percentDecoded(urlParse(target))) },
	// Next.js makes one slash of several and of backslashes, and decodes segments.
	"next":         func(target string) string { return percentDecoded(oneSlash(beforeQuery(target))) },
	"next, parsed": func(target string) string { return percentDecoded(whatwgRelative(oneSlash(beforeQuery(target)))) },
	// Next.js has the data of pages under other paths, for their routes, in any case
	// before version 16; React Router has it with a suffix, and components.
	"next, data": func(target string) string {
		return pageData.ReplaceAllString(percentDecoded(oneSlash(beforeQuery(target))), "/$1")
	},
	"react router": func(target string) string {
		return dataSuffix.ReplaceAllString(percentDecoded(beforeQuery(target)), "")
	},
	"react router, as is": func(target string) string { return dataSuffix.ReplaceAllString(whatwg("http://site.test"+target), "") },
	// Names are compared in the form that has one character of each kind, or in
	// capitals.
	"compatible":         func(target string) string { return norm.NFKC.String(percentDecoded(beforeQuery(target))) },
	"compatible, static": func(target string) string { return path.Clean(norm.NFKC.String(percentDecoded(urlParse(target)))) },
	"in capitals":        func(target string) string { return strings.ToUpper(percentDecoded(beforeQuery(target))) },
	// Servlet containers drop parameters, decode and resolve, in either order.
	"servlet": func(target string) string {
		return path.Clean(percentDecoded(parameters.ReplaceAllString(beforeQuery(target), "")))
	},
	"servlet, decoded first": func(target string) string {
		return path.Clean(parameters.ReplaceAllString(percentDecoded(beforeQuery(target)), ""))
	},
}

var (
	pageData   = regexp.MustCompile(`(?i)^/_next/data/[^/]*/(?-i:index/)?(.*)\.json/?$`)
	dataSuffix = regexp.MustCompile(`\.(data|rsc)/?$`)
)

var parameters = regexp.MustCompile(`;[^/]*`)

// baseStrippers are the ways in which applications take a base path off.
var baseStrippers = map[string]func(path, base string) string{
	"by segment": func(path, base string) string {
		if rest, ok := strings.CutPrefix(path, base); ok && (rest == "" || rest[0] == '/') {
			return "/" + strings.TrimLeft(rest, "/")
		}
		return path
	},
	// withoutBase of the package ufo, before it looked at the boundary.
	"by prefix": func(path, base string) string {
		if rest, ok := strings.CutPrefix(path, base); ok {
			return "/" + strings.TrimPrefix(rest, "/")
		}
		return path
	},
}

func beforeQuery(target string) string {
	if end := strings.IndexAny(target, "?#"); end >= 0 {
		return target[:end]
	}
	return target
}

// percentDecoded decodes what can be decoded, once.
func percentDecoded(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) && text[i] == '%' {
			if plain, err := url.PathUnescape(text[i : i+3]); err == nil {
				out.WriteString(plain)
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

func oneSlash(path string) string { return slashes.ReplaceAllString(path, "/") }

var slashes = regexp.MustCompile(`[/\\]+`)

// urlParse returns the pathname of Node's url.parse: trimmed, backslashes turned before a
// query, an address taken apart.
func urlParse(target string) string {
	target = strings.ReplaceAll(beforeQuery(strings.TrimSpace(target)), `\`, "/")
	if scheme, rest, ok := strings.Cut(target, "://"); ok && !strings.Contains(scheme, "/") {
		_, p, _ := strings.Cut(rest, "/")
		return "/" + p
	}
	return target
}

// whatwgRelative parses a target against a base (URL Standard, section 4.4): it
// may be an address, or begin with a host.
func whatwgRelative(target string) string {
	target = strings.Trim(dropTabs(target), "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1f ")
	if special.MatchString(target) {
		return whatwg(target)
	}
	if len(target) > 1 && strings.ContainsRune(`/\`, rune(target[0])) && strings.ContainsRune(`/\`, rune(target[1])) {
		return whatwg("http:" + target)
	}
	return whatwg("http://site.test/" + strings.TrimLeft(target, `/\`))
}

var special = regexp.MustCompile(`(?i)^https?:`)

func dropTabs(text string) string { return tabs.Replace(text) }

var tabs = strings.NewReplacer("\t", "", "\n", "", "\r", "")

// whatwg returns the pathname of an address with a special scheme: a backslash is a slash,
// %2e is a dot, dot segments are resolved, empty segments and other escapes stay.
func whatwg(address string) string {
	address = dropTabs(beforeQuery(strings.TrimSpace(address)))
	_, rest, _ := strings.Cut(address, ":")
	rest = strings.TrimLeft(rest, `/\`)
	start := strings.IndexAny(rest, `/\`)
	if start < 0 {
		return "/"
	}
	var kept []string
	segments := strings.Split(strings.ReplaceAll(rest[start+1:], `\`, "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
			if last {
				kept = append(kept, "")
			}
		case ".":
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}
