{{- define "es-rerank.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}-es-rerank
{{- end }}

{{- define "es-rerank.selector" -}}
app.kubernetes.io/name: es-rerank
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "es-rerank.labels" -}}
{{ include "es-rerank.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "es-rerank.vllm.selector" -}}
app.kubernetes.io/name: vllm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "es-rerank.settings" -}}
{{- $fixed := dict "listen" "0.0.0.0:9280" "admin_listen" "0.0.0.0:9281" "reload" "change" }}
{{- if .Values.rules }}{{ $_ := set $fixed "mappings" "/etc/es-rerank/rules" }}{{ end }}
{{- if .Values.vllm.enabled }}
{{- $_ := set $fixed "reranker" (printf "dns://%s-vllm.%s.svc:8000" (include "es-rerank.name" .) .Release.Namespace) }}
{{- end }}
{{- if .Values.sharedCache.url }}{{ $_ := set $fixed "shared_cache" .Values.sharedCache.url }}{{ end }}
{{- merge $fixed .Values.settings | toYaml }}
{{- end }}
