/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Private to this library: JSON files from elsewhere, read without trust. */

/* The file at @path; LB_MODEL_ERROR_MISSING if there is none. */
GMappedFile *lb_json_map_file (const char *path, GError **error);
/* The JSON object in @size bytes of @data, which come from @name (for the
 * messages). Strict: RFC 8259, UTF-8, no U+0000, no name twice in an object, at most @depth objects and
 * arrays within each other. NULL and LB_MODEL_ERROR_FORMAT otherwise. */
JsonObject *
lb_json_parse_object (const char *data, gsize size, guint depth, const char *name, GError **error);
/* The same of a whole file; LB_MODEL_ERROR_MISSING if there is none. */
JsonObject *lb_json_read_object (const char *path, guint depth, GError **error);

/* Members of @object that must be of that kind. Absent (or null):
 * @fallback, or LB_MODEL_ERROR_FORMAT where @fallback is NULL. */
gboolean lb_json_get_count (JsonObject *object,
                            const char *member,
                            guint maximum,
                            const guint *fallback,
                            const char *name,
                            guint *value,
                            GError **error);
gboolean lb_json_get_number (JsonObject *object,
                             const char *member,
                             const double *fallback,
                             const char *name,
                             double *value,
                             GError **error);
/* The text belongs to @object. */
gboolean lb_json_get_text (JsonObject *object,
                           const char *member,
                           const char *fallback,
                           const char *name,
                           const char **value,
                           GError **error);
gboolean lb_json_get_flag (JsonObject *object,
                           const char *member,
                           gboolean fallback,
                           const char *name,
                           gboolean *value,
                           GError **error);

G_END_DECLS
