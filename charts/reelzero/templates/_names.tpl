{{/* Names, labels and images: what every object shares. */}}

{{- define "reelzero.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "reelzero.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "reelzero.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "reelzero.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that never change, for selectors. Call with (list $ "component"). */}}
{{- define "reelzero.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "reelzero.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of what becomes pods: none that changes with the chart, or every upgrade would load every model again. */}}
{{- define "reelzero.podLabels" -}}
{{ include "reelzero.selector" . }}
app.kubernetes.io/part-of: reelzero
{{- end }}

{{- define "reelzero.labels" -}}
{{- $root := index . 0 -}}
{{ include "reelzero.podLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* An image reference. Call with (list $ .Values.image.eventing). */}}
{{- define "reelzero.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "reelzero.broker" -}}
{{- default (include "reelzero.fullname" .) .Values.events.broker.name }}
{{- end }}
