{{/* tale.secretVariables returns the names of those in docs/environment.md that are secret. */}}
{{- define "tale.secretVariables" -}}
ACME_EAB_HMAC_KEY AUTH_MICROSOFT_ENTRA_ID_SECRET AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN BETTER_AUTH_SECRET CRAWLER_DATABASE_URL DATABASE_URL DB_PASSWORD
ENCRYPTION_SECRET_HEX INSTANCE_SECRET METRICS_BEARER_TOKEN MYSQL_URL POSTGRES_URL RAG_DATABASE_URL SOPS_AGE_KEY TRUSTED_HEADERS_INTERNAL_SECRET
{{- end -}}

{{/* tale.check fails with all that is wrong with the values and that a schema cannot say. */}}
{{- define "tale.check" -}}
{{- $problems := list -}}
{{- if not .Values.host -}}
{{- $problems = append $problems "host is missing: the name that visitors see, such as --set host=shop.example.com" -}}
{{- end -}}
{{- $untagged := list -}}
{{- range concat (list "convex" "platform" "proxy") (ternary (list "rag" "crawler") list .Values.python.enabled) -}}
{{- if not (include "tale.tag" (list $ .)) -}}{{- $untagged = append $untagged . -}}{{- end -}}
{{- end -}}
{{- with $untagged -}}
{{- $problems = append $problems (printf "images.tag is missing: the release of %s, such as --set-string images.tag=1.0.0" (join ", " .)) -}}
{{- end -}}
{{- if and .Values.letsencrypt.enabled (not .Values.letsencrypt.email) -}}
{{- $problems = append $problems "letsencrypt.email is missing: where the authority warns" -}}
{{- end -}}
{{- if and .Values.externalDatabase.enabled (not .Values.externalDatabase.ca) -}}
{{- $problems = append $problems "externalDatabase.ca is missing: the authority's certificate, by --set-file externalDatabase.ca=ca.crt" -}}
{{- end -}}
{{- if and .Values.autoscale.requests (not .Values.autoscale.enabled) -}}
{{- $problems = append $problems "autoscale.requests is set, but autoscale.enabled is not" -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.letsencrypt.enabled -}}
{{- $problems = append $problems "ingress and letsencrypt are both enabled, but TLS ends in one place" -}}
{{- end -}}
{{- if and .Values.nodeLoss.enabled .Values.python.enabled -}}
{{- $problems = append $problems "nodeLoss and python are both enabled, but the volume of convex is one pod's or is read by rag and crawler" -}}
{{- end -}}
{{- range $name, $_ := .Values.settings -}}
{{- with get (dict "HOST" "host" "SITE_URL" "siteUrl" "TLS_MODE" "letsencrypt.enabled" "TLS_EMAIL" "letsencrypt.email") $name -}}
{{- $problems = append $problems (printf "settings.%s is set by the value %s" $name .) -}}
{{- end -}}
{{- if has $name (include "tale.secretVariables" $ | replace "\n" " " | splitList " ") -}}
{{- $problems = append $problems (printf "settings.%s is a secret: it belongs into those that secrets names" $name) -}}
{{- end -}}
{{- end -}}
{{- $instances := list -}}
{{- range list "convex" "push" "platform" -}}
{{- with (get $.Values.secrets .).values -}}{{- $instances = append $instances (.INSTANCE_SECRET | default "") -}}{{- end -}}
{{- end -}}
{{- if or (has "" $instances) (gt (len (uniq $instances)) 1) -}}
{{- $problems = append $problems "INSTANCE_SECRET is not the same in the values of secrets.convex, secrets.push and secrets.platform: the backend would refuse the others" -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "\n\nThe chart cannot be installed with these values:\n* %s\n" (join "\n* " .)) -}}
{{- end -}}
{{- end -}}
