{{/* NetworkPolicy rules from the chart's short form. */}}

{{/* All pods of some namespaces; "*" is any of them. */}}
{{- define "reelzero.namespaces" -}}
{{- range . }}
{{- if eq . "*" }}
- namespaceSelector: {}
{{- else }}
- namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: {{ . }} } }
{{- end }}
{{- end }}
{{- end }}

{{/* Egress rules from a list of {namespaces, cidrs, except, ports}. */}}
{{- define "reelzero.egress" -}}
{{- range . }}
{{- $rule := . }}
- ports:
    {{- range .ports }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- if or .namespaces .cidrs }}
  to:
    {{- with .namespaces }}{{ include "reelzero.namespaces" . | trim | nindent 4 }}{{ end }}
    {{- range .cidrs }}
    - ipBlock: {{- include "reelzero.ipBlock" (list . $rule.except) | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A network without those exceptions that are of its family. Call with (list "cidr" except). */}}
{{- define "reelzero.ipBlock" -}}
{{- $cidr := index . 0 }}{{ $except := list }}
{{- range index . 1 }}{{ if eq (contains ":" .) (contains ":" $cidr) }}{{ $except = append $except . }}{{ end }}{{ end -}}
cidr: {{ $cidr | quote }}
{{- with $except }}
except: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "reelzero.dnsEgress" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - { port: {{ . }}, protocol: UDP }
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

{{/* The server on each node that gives pods the identity of their ServiceAccount. */}}
{{- define "reelzero.identityEgress" -}}
{{- if eq .Values.networkPolicy.identity "eks" }}
{{- include "reelzero.egress" (list (dict "cidrs" (list "169.254.170.23/32" "fd00:ec2::23/128") "ports" (list 80))) }}
{{- else if eq .Values.networkPolicy.identity "gke" }}
{{- /* With Dataplane V2 a policy sees the server's public address, else the node's. */}}
{{- include "reelzero.egress" (list (dict "cidrs" (list "169.254.169.254/32") "ports" (list 80)) (dict "cidrs" (list "169.254.169.252/32") "ports" (list 988))) }}
{{- end }}
{{- end }}
