{{/*
The objects are those of deploy/kubernetes, where the reasons stand; a test compares the two.
Their names are fixed, since the parts find each other by them: one release a namespace.
*/}}

{{/* tale.metadata returns the metadata of an object: (list $ NAME LABEL COMPONENT). */}}
{{- define "tale.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
  {{- include "tale.labels" (list $root (index . 2) (index . 3)) | nindent 2 }}
{{- end }}

{{/* tale.labels returns the labels of an object and its pods: (list $ LABEL COMPONENT). */}}
{{- define "tale.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/component: {{ index . 2 }}
{{ include "tale.of" $root }}
{{- end }}

{{/* tale.of returns the labels of all that the release has. They never change, as claims demand. */}}
{{- define "tale.of" -}}
app.kubernetes.io/part-of: tale
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* tale.podMetadata returns the metadata of a part's pods: (list $ PART COMPONENT IMAGE METRICS-PORT).
A changed setting, or value of a Secret, changes it and so rolls them. */}}
{{- define "tale.podMetadata" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
labels:
  app: {{ $part }}
  {{- include "tale.labels" (list $root $part (index . 2)) | nindent 2 }}
  app.kubernetes.io/version: {{ include "tale.version" (list $root (index . 3)) | quote }}
{{- $annotations := dict "checksum/settings" (include "tale.settings" $root | sha256sum) -}}
{{- with index . 4 }}
{{- $annotations = merge (dict "prometheus.io/scrape" "true" "prometheus.io/port" .) $annotations -}}
{{- end }}
{{- with (get $root.Values.secrets $part).values }}
{{- $_ := set $annotations "checksum/secret" (toJson . | sha256sum) -}}
{{- end }}
{{- if and (eq $part "convex") $root.Values.externalDatabase.enabled }}
{{- $_ := set $annotations "checksum/ca" (sha256sum $root.Values.externalDatabase.ca) -}}
{{- end }}
annotations:
  {{- merge dict ((get $root.Values $part).podAnnotations | default dict) $annotations | toYaml | nindent 2 }}
{{- end }}

{{/* tale.tag returns the tag of an image: (list $ IMAGE). */}}
{{- define "tale.tag" -}}
{{- $root := index . 0 -}}
{{- (get $root.Values.images (index . 1)).tag | default $root.Values.images.tag -}}
{{- end }}

{{/* tale.version returns the tag as a label may have it: without a digest. */}}
{{- define "tale.version" -}}
{{- include "tale.tag" . | regexFind "^[^@]*" | trunc 63 -}}
{{- end }}

{{/* tale.image returns the name of a part's image and how it is pulled: (list $ IMAGE). */}}
{{- define "tale.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- $repository := (get $root.Values.images $image).repository | default (printf "%s/tale-%s" $root.Values.images.registry $image) -}}
image: {{ printf "%s:%s" $repository (include "tale.tag" .) | quote }}
{{- with $root.Values.images.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{/* tale.environment returns where a part's variables come from: (list $ PART). */}}
{{- define "tale.environment" -}}
{{- $part := index . 1 -}}
envFrom:
  - configMapRef: { name: tale }
  - secretRef: { name: {{ (get (index . 0).Values.secrets $part).name }}{{ if eq $part "proxy" }}, optional: true{{ end }} }
{{- end }}

{{/* tale.pod returns what all pods have: (list $ PART). A push goes with its node. */}}
{{- define "tale.pod" -}}
{{- $root := index . 0 -}}{{- $part := get $root.Values (index . 1) -}}
automountServiceAccountToken: false
# They would set DB_PORT and others of our variables to tcp://… URLs.
enableServiceLinks: false
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- $tolerations := $part.tolerations | default list }}
{{- if and $root.Values.nodeLoss.enabled (ne (index . 1) "push") }}
{{- range list "unreachable" "not-ready" }}
{{- $tolerations = append $tolerations (dict "key" (printf "node.kubernetes.io/%s" .) "operator" "Exists" "effect" "NoExecute" "tolerationSeconds" 30) }}
{{- end }}
{{- end }}
{{- with $tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{/* tale.user returns who the processes of a pod are: (list WITH-VOLUME). */}}
{{- define "tale.user" -}}
securityContext: { runAsUser: 1001, runAsGroup: 1001{{ if index . 0 }}, fsGroup: 1001, fsGroupChangePolicy: OnRootMismatch{{ end }}, runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
{{- end }}

{{/* tale.locked returns what a container may do. */}}
{{- define "tale.locked" -}}
securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
{{- end }}

{{/* tale.apart returns what keeps the pods of a part on different nodes, and zones where there are some. */}}
{{- define "tale.apart" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: { matchLabels: { app: {{ . }} } }
    matchLabelKeys: [pod-template-hash]
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: topology.kubernetes.io/zone
          labelSelector: { matchLabels: { app: {{ . }} } }
          matchLabelKeys: [pod-template-hash]
{{- end }}

{{/* tale.claim returns what a volume claim asks for: (list STORAGE MODE). */}}
{{- define "tale.claim" -}}
{{- $storage := index . 0 -}}
accessModes: [{{ index . 1 }}]
{{- with $storage.className }}
storageClassName: {{ . }}
{{- end }}
resources: { requests: { storage: {{ $storage.size }} } }
{{- end }}

{{/* tale.siteUrl returns what visitors type. */}}
{{- define "tale.siteUrl" -}}
{{- .Values.siteUrl | default (printf "https://%s" .Values.host) -}}
{{- end }}

{{/* tale.settings returns the variables of all parts. */}}
{{- define "tale.settings" -}}
{{- $own := dict "HOST" .Values.host "SITE_URL" (include "tale.siteUrl" .) "TLS_MODE" "external" "TALE_LOG_FORMAT" "json" "CONVEX_URL" "http://convex:3210" -}}
{{- if .Values.letsencrypt.enabled -}}
{{- $own = merge (dict "TLS_MODE" "letsencrypt" "TLS_EMAIL" .Values.letsencrypt.email) $own -}}
{{- end -}}
{{- merge dict .Values.settings $own | toYaml -}}
{{- end }}

{{/* tale.public returns addresses outside of the cluster, of its nodes and of a cloud's metadata. */}}
{{- define "tale.public" -}}
- ipBlock: { cidr: 0.0.0.0/0, except: [10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16] }
- ipBlock: { cidr: "::/0", except: ["::1/128", "fc00::/7", "fe80::/10"] }
{{- end }}
