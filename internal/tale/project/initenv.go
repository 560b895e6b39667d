package project

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// envChange is what becomes of .env.
type envChange struct {
	before, after string
	there         bool // it is no new file
	added         []string
}

func (e envChange) write(p *Project, r *Result) error {
	r.Added = e.added
	if !e.there && e.after != "" {
		r.Made = append(r.Made, EnvName)
		return p.create(p.envPath(), []byte(e.after), 0o600)
	}
	info, err := os.Stat(p.envPath())
	if err != nil || (e.before == e.after && info.Mode().Perm()&0o077 == 0) {
		return ignoreMissing(err)
	}
	r.Changed = append(r.Changed, EnvName)
	return p.replace(p.envPath(), []byte(e.after), 0o600)
}

// env returns what .env is to become.
func (o Options) env(p *Project) (envChange, error) {
	content, err := ReadFile(p.envPath())
	e := envChange{before: string(content), there: err == nil}
	if ignoreMissing(err) != nil {
		return e, err
	}
	values, text := parseEnv(e.before, nil)
	if err := text.problems.Err(); err != nil {
		return e, err
	}
	wanted, refused, err := o.wanted(values)
	if err != nil {
		return e, err
	}
	settings := Settings{}
	for name, value := range values {
		settings[name] = Value{value, FromFile}
	}
	for _, v := range wanted {
		settings[v.name] = Value{v.value, FromFile}
		e.added = append(e.added, v.name)
	}
	problems := o.causes(p.check(settings, o.where(&text)))
	if refused != nil { // a value that could not be taken anyway is no reason to replace another one
		problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return !strings.Contains(p.Variable, "(--") })
	}
	if len(problems) > 0 {
		return e, problems
	}
	if refused == nil {
		refused = o.certificate(settings)
	}
	if refused != nil {
		return e, refused
	}
	e.after = text.with(wanted)
	if len(wanted) == 0 {
		e.after = e.before
	} else if !e.there {
		e.after = envHead + e.after
	}
	return e, nil
}

// causes leaves out what is wrong with an address that was made of a wrong --host, and the other
// way round.
func (o Options) causes(problems config.Problems) config.Problems {
	for cause, made := range map[string]string{"HOST": "SITE_URL", "SITE_URL": "HOST"} {
		wrong := slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Variable == cause+o.flag(cause) })
		if o.Settings[cause] != "" && o.Settings[made] == "" && wrong {
			problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return strings.HasPrefix(p.Variable, made) })
		}
	}
	return problems
}

// certificate refuses a public certificate for a name that is none of the internet.
func (o Options) certificate(settings Settings) error {
	host, from := settings.Get("HOST"), "--host"
	if o.Settings["TLS_MODE"] != stack.TLSLetsEncrypt || Public(host) {
		return nil
	}
	if o.Settings["SITE_URL"] != "" && o.Settings["HOST"] == "" {
		from = flags["SITE_URL"]
	}
	return exit.Errorf(exit.Usage, "--tls letsencrypt needs a host name that the internet knows, and %q is none: name it with %s", host, from)
}

// given returns the variable whose flag a value comes from: HOST and SITE_URL are made of one
// another.
func (o Options) given(name string) string {
	other := map[string]string{"HOST": "SITE_URL", "SITE_URL": "HOST"}[name]
	if o.Settings[name] == "" && o.Settings[other] != "" {
		return other
	}
	return name
}

// flag says by which flag a variable is set.
func (o Options) flag(name string) string { return " (" + flags[name] + ")" }

// where says by which flag, or on which line, a variable is set.
func (o Options) where(text *envText) func(name string) string {
	return func(name string) string {
		switch {
		case o.Settings[name] != "":
			return o.flag(name)
		case text.lineOf(name) > 0:
			return fmt.Sprintf(" (%s, line %d)", EnvName, text.lineOf(name))
		default:
			return ""
		}
	}
}

// flags are the flags of tale init by the variables that they set.
var flags = map[string]string{
	"HOST": "--host", "SITE_URL": "--site-url", "TLS_MODE": "--tls", "TLS_EMAIL": "--tls-email", "BASE_PATH": "--base-path",
	"POSTGRES_URL": "--database-url", stack.Registry: "--registry", stack.Version: "--release",
}

// wanted returns the variables that get a value: those that were asked for, and those
// that every project has and this one lacks. Refused says of one that it has another value, which
// stays.
func (o Options) wanted(have map[string]string) (wanted []variable, refused, err error) {
	asked, err := o.asked(have)
	if err != nil {
		return nil, nil, err
	}
	site := []variable{
		{"HOST", cmp.Or(asked["HOST"], "localhost"), ""},
		{"SITE_URL", cmp.Or(asked["SITE_URL"], "https://"+stack.InURL(cmp.Or(have["HOST"], "localhost"))), "The address that visitors see."},
		{"BASE_PATH", asked["BASE_PATH"], ""},
		{"TLS_MODE", cmp.Or(asked["TLS_MODE"], stack.TLSSelfSigned), "selfsigned, letsencrypt, or external behind a TLS terminator of your own."},
		{"TLS_EMAIL", asked["TLS_EMAIL"], ""},
		{stack.Registry, asked[stack.Registry], "Where the images are."},
		{stack.Version, asked[stack.Version], "The version of the images that tale.json does not name."},
		{"POSTGRES_URL", asked["POSTGRES_URL"], ""},
	}
	for _, v := range append(site, secrets(have["POSTGRES_URL"] == "" && asked["POSTGRES_URL"] == "")...) {
		switch there := have[v.name]; {
		case v.value == "" || there == v.value || (there != "" && asked[v.name] == ""):
		case there == "" || (o.Force && v.name != "POSTGRES_URL"):
			wanted = append(wanted, v)
		case v.name == "POSTGRES_URL":
			wanted = append(wanted, v)
			refused = cmp.Or(refused, exit.Errorf(exit.Usage, "%s is another value than %s has; tale init never replaces a secret: edit the file", flags[v.name], EnvName))
		default:
			wanted = append(wanted, v)
			refused = cmp.Or(refused, differs(flags[o.given(v.name)], EnvName, have[o.given(v.name)]))
		}
	}
	return wanted, refused, nil
}

// asked returns the settings that were asked for, with HOST and SITE_URL made of one
// another where they belong together.
func (o Options) asked(have map[string]string) (map[string]string, error) {
	asked := map[string]string{}
	for name, value := range o.Settings {
		if flags[name] == "" {
			return nil, fmt.Errorf("tale init does not set %s", name)
		}
		asked[name] = value
	}
	if release := asked[stack.Version]; reference.TagRegexp.FindString(release) != release {
		return nil, exit.Errorf(exit.Usage, "--release is %q, which is no tag of an image; accepted: one such as 1.4.0, at most 128 letters, digits and _ . -, of which . and - do not begin it", release)
	}
	site, err := url.Parse(asked["SITE_URL"])
	if err != nil {
		return nil, config.CheckHTTPURL("--site-url", asked["SITE_URL"]).Err()
	}
	before, err := url.Parse(have["SITE_URL"])
	if together := err == nil && before.Hostname() == have["HOST"]; together {
		switch host := asked["HOST"]; {
		case host == "":
			asked["HOST"] = site.Hostname()
		case asked["SITE_URL"] == "" && before.Port() != "":
			asked["SITE_URL"] = before.Scheme + "://" + net.JoinHostPort(host, before.Port())
		case asked["SITE_URL"] == "":
			asked["SITE_URL"] = cmp.Or(before.Scheme, "https") + "://" + stack.InURL(host)
		}
	}
	return asked, nil
}

// Public reports whether a host may have a certificate of a public authority.
func Public(host string) bool {
	return strings.Contains(host, ".") && net.ParseIP(host) == nil && !slices.ContainsFunc([]string{".local", ".localhost", ".internal", ".test"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(host), suffix)
	})
}

// ReadEnv returns the variables of a folder's .env, none where there is no such file.
func ReadEnv(dir string) (map[string]string, error) {
	content, err := ReadFile(filepath.Join(dir, EnvName))
	if ignoreMissing(err) != nil {
		return nil, err
	}
	values, text := parseEnv(string(content), nil)
	return values, text.problems.Err()
}
