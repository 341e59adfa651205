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
    - ipBlock:
        cidr: {{ . }}
        {{- with $rule.except }}
        except: {{- toYaml . | nindent 10 }}
        {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "reelzero.dnsEgress" -}}
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}
