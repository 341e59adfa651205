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

{{/*
A network without those exceptions that are a part of it; of IPv6 networks, those of its family. Call with
(list "cidr" except).
*/}}
{{- define "reelzero.ipBlock" -}}
{{- $cidr := index . 0 }}{{ $except := list }}
{{- range index . 1 }}
{{- if contains ":" $cidr | ternary (contains ":" .) (include "reelzero.within" (list . $cidr)) }}{{ $except = append $except . }}{{ end }}
{{- end -}}
cidr: {{ $cidr | quote }}
{{- with $except }}
except: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Whether an IPv4 network is a part of another, or equal. Call with (list "inner" "outer"). */}}
{{- define "reelzero.within" -}}
{{- $inner := index . 0 | splitList "/" }}{{ $outer := index . 1 | splitList "/" }}
{{- if and (not (contains ":" (index . 0))) (ge (index $inner 1 | atoi) (index $outer 1 | atoi)) }}
{{- $size := 1 }}{{ range until (sub 32 (index $outer 1 | atoi) | int) }}{{ $size = mul $size 2 }}{{ end }}
{{- if eq (div (include "reelzero.address" $inner | int64) $size) (div (include "reelzero.address" $outer | int64) $size) }}true{{ end }}
{{- end }}
{{- end }}

{{/* The number of an IPv4 address. Call with (list "address" …). */}}
{{- define "reelzero.address" -}}
{{- $number := 0 }}{{ range first . | splitList "." }}{{ $number = add (mul $number 256) (atoi .) }}{{ end }}{{ $number }}
{{- end }}

{{/* Stop at exceptions that would except nothing, or everything. The API server refuses both under an ipBlock. */}}
{{- define "reelzero.checkEgress" -}}
{{- range $name, $rules := .Values.networkPolicy.egress }}
{{- range $i, $rule := $rules }}
{{- $at := printf "networkPolicy.egress.%s[%d].except" $name $i }}{{ $ipv4 := list }}
{{- range $rule.cidrs }}{{ if not (contains ":" .) }}{{ $ipv4 = append $ipv4 . }}{{ end }}{{ end }}
{{- if and $rule.except (not $rule.cidrs) }}
{{- include "reelzero.fail" (list $at "it excepts nothing, because the rule has no cidrs; name them, or leave except out") }}
{{- end }}
{{- range $except := $rule.except }}
{{- $parents := list }}
{{- range $ipv4 }}
{{- if and (not (contains ":" $except)) (include "reelzero.within" (list . $except)) }}
{{- include "reelzero.fail" (list $at (printf "%s covers all of %s; leave one of the two out" $except .)) }}
{{- end }}
{{- if include "reelzero.within" (list $except .) }}{{ $parents = append $parents . }}{{ end }}
{{- end }}
{{- if and $ipv4 (not $parents) (not (contains ":" $except)) }}
{{- include "reelzero.fail" (list $at (printf "%s is no part of %s; leave it out, or name the network that it is a part of" $except (join ", " $ipv4))) }}
{{- end }}
{{- end }}
{{- end }}
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

{{/* HTTP/1, HTTP/2 and TLS; its metrics for the autoscaler. */}}
{{- define "reelzero.queueProxyPorts" -}}
{{- range list 8012 8013 8112 9090 }}
- { port: {{ . }}, protocol: TCP }
{{- end }}
{{- end }}
