{{/* The eventing container, as init container and as service. Call with (list $ "serve"). */}}
{{- define "reelzero.eventingContainer" -}}
{{- $root := index . 0 -}}
image: {{ include "reelzero.image" (list $root $root.Values.image.eventing) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [{{ index . 1 }}]
{{- $env := include "reelzero.eventingEnv" $root }}
{{- include "reelzero.checkEnv" (list "eventing.extraEnv" ($env | fromYamlArray) $root.Values.eventing.extraEnv) }}
env:
  {{- $env | nindent 2 }}
  {{- with $root.Values.eventing.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
securityContext: {{- include "reelzero.containerSecurity" $root | nindent 2 }}
resources: {{- toYaml $root.Values.eventing.resources | nindent 2 }}
volumeMounts:
  - { name: tmp, mountPath: /tmp }
  - { name: catalog, mountPath: /etc/reelzero/catalog, readOnly: true }
  {{- if $root.Values.steps }}
  - { name: steps, mountPath: /etc/reelzero/steps, readOnly: true }
  {{- end }}
  {{- if $root.Values.events.oidc.clusterToken }}
  - { name: cluster, mountPath: /etc/reelzero/cluster, readOnly: true }
  {{- end }}
  {{- with include "reelzero.extraMounts" (list $root $root.Values.eventing) }}{{ . | nindent 2 }}{{ end }}
{{- end }}

{{/* The CloudEvents source of our events. */}}
{{- define "reelzero.source" -}}
{{- default (printf "urn:reelzero:%s:%s" .Release.Namespace .Release.Name) .Values.eventing.source }}
{{- end }}

{{- define "reelzero.eventingEnv" -}}
{{- $name := include "reelzero.fullname" . }}
{{- $service := printf "http://%s-eventing.%s.svc.%s" $name .Release.Namespace .Values.clusterDomain }}
{{- range list .Values.httpRoute .Values.ingress }}{{ if .enabled }}{{ $service = printf "https://%s" .host }}{{ end }}{{ end }}
{{- $trusted := list }}{{ $owners := list }}
{{- range $source, $owner := .Values.events.trustedSources }}{{ $trusted = append $trusted (printf "%s=%s" $source $owner) }}{{ end }}
{{- range $subject, $owner := .Values.events.oidc.owners }}{{ $owners = append $owners (printf "%s=%s" $subject $owner) }}{{ end }}
- { name: REELZERO_HOST, value: 0.0.0.0 }
- { name: REELZERO_PORT, value: "8080" }
- name: REELZERO_DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.database.secretName | quote }}, key: {{ .Values.database.secretKey | quote }} } }
- name: REELZERO_ENDPOINTS
  valueFrom: { configMapKeyRef: { name: {{ $name }}-endpoints, key: endpoints } }
{{- if .Values.steps }}
- name: REELZERO_STEP_ENDPOINTS
  valueFrom: { configMapKeyRef: { name: {{ $name }}-endpoints, key: stepEndpoints } }
- { name: REELZERO_STEPS_DIR, value: /etc/reelzero/steps }
{{- end }}
- { name: REELZERO_SOURCE, value: {{ include "reelzero.source" . | quote }} }
- { name: REELZERO_PUBLIC_URL, value: {{ default $service .Values.eventing.publicUrl | quote }} }
- { name: REELZERO_PROGRESS_EVENTS, value: {{ .Values.events.progress | quote }} }
- { name: REELZERO_TRUSTED_SOURCES, value: {{ $trusted | sortAlpha | join "," | quote }} }
{{- with .Values.events.oidc }}
{{- if .issuer }}
- { name: REELZERO_OIDC_ISSUER, value: {{ .issuer | quote }} }
- { name: REELZERO_OIDC_AUDIENCE, value: {{ default (include "reelzero.source" $) .audience | quote }} }
- { name: REELZERO_OIDC_OWNERS, value: {{ $owners | sortAlpha | join "," | quote }} }
{{- if .jwksUrl }}
- { name: REELZERO_OIDC_JWKS_URL, value: {{ .jwksUrl | quote }} }
{{- end }}
{{- if .clusterToken }}
- { name: REELZERO_OIDC_CA_FILE, value: /etc/reelzero/cluster/ca.crt }
- { name: REELZERO_OIDC_TOKEN_FILE, value: /etc/reelzero/cluster/token }
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.events.sinkUri }}
- { name: REELZERO_SINK_URL, value: {{ . | quote }} }
{{- end }}
{{- with .Values.webhooks }}
{{- if .secretName }}
- name: REELZERO_WEBHOOK_SECRETS
  valueFrom: { secretKeyRef: { name: {{ .secretName | quote }}, key: {{ .secretKey | quote }} } }
- { name: REELZERO_WEBHOOK_ALLOW, value: {{ .allow | join "," | quote }} }
{{- end }}
{{- end }}
{{ include "reelzero.sharedEnv" . | trim }}
{{- include "reelzero.settingsEnv" .Values.eventing.settings }}
{{- end }}
