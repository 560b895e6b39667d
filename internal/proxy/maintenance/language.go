package maintenance

import (
	"cmp"
	"slices"
	"strings"
)

// wording is the page in one language. NAME stands for the site.
type wording struct {
	language                      string
	site                          string // what a site without a name is called
	title, lead                   string
	failedTitle, failedLead, note string
	again, home, link             string
	failure, reference, reloads   string
	checking, one, many           string // # stands for a number of seconds
	back, loading                 string
}

// wordings are the languages of the page, the first for everybody else.
var wordings = []wording{
	{
		language: "en", site: "This site",
		title: "Back in a moment", lead: "NAME is restarting or being updated.",
		failedTitle: "This takes a little longer", failedLead: "An update of NAME did not go through, and somebody has to look at it.",
		note:  "What you sent may not have arrived: go back and send it again when the site is back.",
		again: "Try now", home: "Start page", link: "Status and help",
		failure: "Error", reference: "Reference", reloads: "This page reloads by itself.",
		checking: "Checking…", one: "Checking again in # second", many: "Checking again in # seconds",
		back: "The site is back.", loading: "The site is back. Loading…",
	},
	{
		language: "de", site: "Diese Seite",
		title: "Gleich wieder da", lead: "NAME startet neu oder wird aktualisiert.",
		failedTitle: "Es dauert etwas länger", failedLead: "Eine Aktualisierung von NAME ist nicht gelungen, und jemand muss sie sich ansehen.",
		note:  "Was Sie gesendet haben, ist vielleicht nicht angekommen: Gehen Sie zurück und senden Sie es noch einmal, sobald die Seite wieder da ist.",
		again: "Jetzt versuchen", home: "Startseite", link: "Status und Hilfe",
		failure: "Fehler", reference: "Referenz", reloads: "Diese Seite lädt sich von selbst neu.",
		checking: "Wird geprüft…", one: "Nächster Versuch in # Sekunde", many: "Nächster Versuch in # Sekunden",
		back: "Die Seite ist wieder da.", loading: "Die Seite ist wieder da und wird geladen…",
	},
	{
		language: "fr", site: "Ce site",
		title: "De retour dans un instant", lead: "NAME redémarre ou est en cours de mise à jour.",
		failedTitle: "Cela prend un peu plus de temps", failedLead: "Une mise à jour de NAME n’a pas abouti et quelqu’un doit s’en occuper.",
		note:  "Votre envoi n’est peut-être pas arrivé : revenez en arrière et renvoyez-le quand le site sera de retour.",
		again: "Réessayer", home: "Page d’accueil", link: "État et aide",
		failure: "Erreur", reference: "Référence", reloads: "Cette page se recharge d’elle-même.",
		checking: "Vérification…", one: "Nouvel essai dans # seconde", many: "Nouvel essai dans # secondes",
		back: "Le site est de retour.", loading: "Le site est de retour. Chargement…",
	},
	{
		language: "es", site: "Este sitio",
		title: "Volvemos enseguida", lead: "NAME se está reiniciando o actualizando.",
		failedTitle: "Tardará un poco más", failedLead: "Una actualización de NAME no se ha completado y alguien tiene que revisarla.",
		note:  "Puede que lo que ha enviado no haya llegado: vuelva atrás y envíelo de nuevo cuando el sitio esté disponible.",
		again: "Probar ahora", home: "Página de inicio", link: "Estado y ayuda",
		failure: "Error", reference: "Referencia", reloads: "Esta página se recarga sola.",
		checking: "Comprobando…", one: "Nuevo intento en # segundo", many: "Nuevo intento en # segundos",
		back: "El sitio está de vuelta.", loading: "El sitio está de vuelta. Cargando…",
	},
	{
		language: "it", site: "Questo sito",
		title: "Torniamo tra un attimo", lead: "NAME si sta riavviando o è in aggiornamento.",
		failedTitle: "Ci vorrà un po’ di più", failedLead: "Un aggiornamento di NAME non è riuscito e qualcuno deve occuparsene.",
		note:  "Ciò che ha inviato potrebbe non essere arrivato: torni indietro e lo invii di nuovo quando il sito sarà raggiungibile.",
		again: "Riprova ora", home: "Pagina iniziale", link: "Stato e assistenza",
		failure: "Errore", reference: "Riferimento", reloads: "Questa pagina si ricarica da sola.",
		checking: "Verifica…", one: "Nuovo tentativo tra # secondo", many: "Nuovo tentativo tra # secondi",
		back: "Il sito è di nuovo raggiungibile.", loading: "Il sito è di nuovo raggiungibile. Caricamento…",
	},
}

// preferred returns the index in wordings of the language that a visitor with this
// Accept-Language likes best. A range such as de-AT stands for its language; a weight
// of zero refuses it, and * is every language that is not named.
func preferred(accept []string) int {
	type wish struct {
		language string
		weight   float64
	}
	var wishes []wish
	refused := map[string]bool{}
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(accept, ",")), ",") {
		tag, params, _ := strings.Cut(part, ";")
		language, region, _ := strings.Cut(strings.TrimSpace(tag), "-")
		if q := weight(params); q > 0 {
			wishes = append(wishes, wish{language, q})
		} else if region == "" {
			refused[language] = true
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return cmp.Compare(b.weight, a.weight) })
	for _, w := range wishes {
		i := slices.IndexFunc(wordings, func(one wording) bool {
			return (one.language == w.language || w.language == "*") && !refused[one.language]
		})
		if i >= 0 {
			return i
		}
	}
	return 0
}
