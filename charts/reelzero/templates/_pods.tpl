{{/* What our pods share: security, S3, telemetry. Secrets only ever by reference. */}}

{{- define "reelzero.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Environment that eventing and predictors read alike. */}}
{{- define "reelzero.sharedEnv" -}}
{{- if and (not .Values.s3.secretName) (not .Values.s3.workloadIdentity) }}
{{- include "reelzero.fail" (list "s3.secretName" "name the Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or set s3.workloadIdentity") }}
{{- end }}
- { name: REELZERO_LOG_LEVEL, value: {{ .Values.telemetry.logLevel | quote }} }
- { name: REELZERO_CATALOG_DIR, value: /etc/reelzero/catalog }
- { name: REELZERO_S3_BUCKET, value: {{ .Values.s3.bucket | quote }} }
- { name: REELZERO_S3_ENDPOINT, value: {{ .Values.s3.endpoint | quote }} }
- { name: REELZERO_S3_PUBLIC_ENDPOINT, value: {{ .Values.s3.publicEndpoint | quote }} }
- { name: REELZERO_S3_REGION, value: {{ .Values.s3.region | quote }} }
{{- if .Values.s3.secretName }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $.Values.s3.secretName | quote }}, key: {{ . }} } }
{{- end }}
{{- end }}
{{- with .Values.predictorToken }}
{{- if .secretName }}
{{- if eq $.Values.metrics.scrape "annotations" }}
{{- include "reelzero.fail" (list "metrics.scrape" "annotations carry no token, which predictorToken.secretName asks of scrapers too; use podMonitor or none") }}
{{- end }}
- name: REELZERO_PREDICTOR_TOKEN
  valueFrom: { secretKeyRef: { name: {{ .secretName | quote }}, key: {{ .secretKey | quote }} } }
{{- end }}
{{- end }}
{{- include "reelzero.proxyEnv" . }}
{{- include "reelzero.caEnv" . }}
{{- with .Values.telemetry.otlpEndpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- range $name, $value := .Values.telemetry.otel }}
- { name: {{ $name }}, value: {{ (kindIs "float64" $value | ternary ($value | toJson) (toString $value)) | quote }} }
{{- end }}
{{- end }}

{{- define "reelzero.proxyEnv" -}}
{{- with .Values.proxy }}
{{- if or .http .https }}
# Full in-cluster names never go through the proxy; short ones do, unless proxy.except has them.
- { name: HTTP_PROXY, value: {{ .http | quote }} }
- { name: HTTPS_PROXY, value: {{ .https | quote }} }
- { name: NO_PROXY, value: {{ concat (list "localhost" "127.0.0.1" ".svc" (printf ".%s" $.Values.clusterDomain)) .except | join "," | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{- define "reelzero.caEnv" -}}
{{- if .Values.caBundle.configMapName }}
{{- range list "SSL_CERT_FILE" "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" }}
- { name: {{ . }}, value: /etc/reelzero/ca/ca.crt }
{{- end }}
{{- end }}
{{- end }}

{{/* Settings by their own names: {rate_per_minute: 60} becomes REELZERO_RATE_PER_MINUTE. */}}
{{- define "reelzero.settingsEnv" -}}
{{- range $name, $value := . }}
- { name: REELZERO_{{ $name | upper }}, value: {{ (kindIs "float64" $value | ternary ($value | toJson) (toString $value)) | quote }} }
{{- end }}
{{- end }}

{{- define "reelzero.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "reelzero.scrapeAnnotations" -}}
{{- if eq .Values.metrics.scrape "annotations" }}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* Where a pod may run. Call with (list values labels): labels are those that a spread counts. */}}
{{- define "reelzero.placement" -}}
{{- $values := index . 0 }}{{ $fields := dict }}{{ $labels := dict "labelSelector" (dict "matchLabels" (index . 1)) }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "runtimeClassName" "priorityClassName" }}
{{- with get $values $key }}{{ $_ := set $fields $key . }}{{ end }}
{{- end }}
{{- $spread := list }}
{{- range $values.topologySpreadConstraints }}{{ $spread = append $spread (ternary . (merge (deepCopy .) $labels) (hasKey . "labelSelector")) }}{{ end }}
{{- with $spread }}{{ $_ := set $fields "topologySpreadConstraints" . }}{{ end }}
{{- with $fields }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The CA bundle and what the values add, as mounts and as volumes. Call with (list $ values). */}}
{{- define "reelzero.extraMounts" -}}
{{- if (index . 0).Values.caBundle.configMapName }}
- { name: ca, mountPath: /etc/reelzero/ca, readOnly: true }
{{- end }}
{{- with (index . 1).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "reelzero.extraVolumes" -}}
{{- with (index . 0).Values.caBundle }}
{{- if .configMapName }}
- name: ca
  configMap: { name: {{ .configMapName }}, items: [{ key: {{ .key | quote }}, path: ca.crt }] }
{{- end }}
{{- end }}
{{- with (index . 1).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A container that only keeps its image on the node. */}}
{{- define "reelzero.asleep" -}}
securityContext: {{- include "reelzero.containerSecurity" . | nindent 2 }}
resources:
  requests: { cpu: 1m, memory: 16Mi }
  limits: { memory: 64Mi }
{{- end }}
