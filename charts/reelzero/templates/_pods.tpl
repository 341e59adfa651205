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
{{- with .Values.telemetry.otlpEndpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
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
