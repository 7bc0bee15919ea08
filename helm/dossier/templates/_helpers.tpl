{{- define "dossier.name" -}}
{{- if contains "dossier" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-dossier" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that never change, for selectors. Takes {root, component, service}; service may be empty. */}}
{{- define "dossier.selector" -}}
app.kubernetes.io/name: dossier
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .service }}
dossier/service: {{ . }}
{{- end }}
{{- end }}

{{- define "dossier.labels" -}}
{{ include "dossier.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The image of a service. Takes {root, service}. */}}
{{- define "dossier.image" -}}
{{- $digest := (index .root.Values.services .service).digest -}}
{{ .root.Values.image.registry }}/dossier-{{ .service }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{/* An image of somebody else's. Takes {repository, tag, digest}. */}}
{{- define "dossier.foreignImage" -}}
{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "dossier.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "dossier.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "dossier.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "dossier.generationUrl" -}}
{{- if .Values.generation.url }}{{ .Values.generation.url }}{{ else if .Values.tgi.enabled }}http://{{ include "dossier.name" . }}-tgi:8080{{ end }}
{{- end }}

{{/* The environment of a service's container. Takes {root, service}. */}}
{{- define "dossier.environment" -}}
env:
  - {name: DOSSIER_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
  - {name: DOSSIER_DATABASE_URL_FILE, value: /run/secrets/dossier/database_url}
  - {name: DOSSIER_BROKER_URL_FILE, value: /run/secrets/dossier/broker_url}
  - {name: DOSSIER_STORE_URL_FILE, value: /run/secrets/dossier/store_url}
  {{- $url := include "dossier.generationUrl" .root }}
  {{- if and $url (index .root.Values.services .service).generation }}
  - {name: DOSSIER_GENERATION_URL, value: {{ $url | quote }}}
  - {name: DOSSIER_GENERATION_KIND, value: {{ .root.Values.generation.kind | quote }}}
  - {name: DOSSIER_GENERATION_MODEL, value: {{ .root.Values.generation.model | quote }}}
  {{- if .root.Values.secrets.generation.existingSecret }}
  - {name: DOSSIER_GENERATION_KEY_FILE, value: /run/secrets/dossier/generation_key}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "dossier.mounts" -}}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/dossier, readOnly: true}
  - {name: scratch, mountPath: /tmp, subPath: tmp}
  - {name: scratch, mountPath: /var/lib/dossier, subPath: home}
{{- end }}

{{/* Takes {root, scratch}. */}}
{{- define "dossier.volumes" -}}
volumes:
  - name: scratch
    emptyDir: {sizeLimit: {{ .scratch }}}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range $what := list "database" "broker" "store" }}
        {{- $secret := index $.root.Values.secrets $what }}
        - secret: {name: {{ $secret.existingSecret }}, items: [{key: {{ $secret.key }}, path: {{ $what }}_url}]}
        {{- end }}
        {{- with .root.Values.secrets.generation }}
        {{- if .existingSecret }}
        - secret: {name: {{ .existingSecret }}, items: [{key: {{ .key }}, path: generation_key}]}
        {{- end }}
        {{- end }}
{{- end }}

{{/* Pods of one Deployment on different nodes, where there are any. Takes {root, component, service}. */}}
{{- define "dossier.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "dossier.selector" . | nindent 8 }}
{{- end }}

{{- define "dossier.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}
