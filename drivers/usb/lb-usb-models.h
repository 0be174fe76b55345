/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-light-source.h>

G_BEGIN_DECLS

/*
 * The instruments that the driver knows, as data: ids and dialects. A new model
 * is a row of a table in lb-usb-models.c; the udev rule is made of it too.
 */

/* A query that answers 1 when a protection keeps the light off. */
typedef struct
{
  const char *query;
  LbLightTrips trip;
  const char *what; /* "the interlock is open", to be translated */
} LbScpiTrip;

/* How a light source is spoken to. Commands end where their value begins; the
 * query is the command with '?'. Amperes. */
typedef struct
{
  const char *set_up[3]; /* sent once when it is opened, NULL-ended */
  const char *limit;     /* current limit of the instrument */
  const char *current;   /* set point */
  const char *output;
  const char *cooler;          /* NULL: has none */
  const char *temperature_set; /* degrees Celsius */
  const char *temperature_unit;
  const char *temperature; /* query */
  LbScpiTrip trips[6];     /* ended by one without a query */
} LbScpiLightDialect;

/* How a power meter is spoken to. */
typedef struct
{
  const char *set_up[3];
  const char *sensor; /* query; NULL: none */
  const char *wavelength;
  const char *range;
  const char *range_auto;
  const char *averaging;
  const char *zero;
  const char *zero_state; /* query: 1 while it goes on */
  const char *power;      /* query, watts */
} LbScpiMeterDialect;

typedef struct
{
  const char *name;                /* *IDN? begins its model with it */
  guint16 vendor, products[2];     /* the second in another firmware mode; 0: none */
  const LbScpiLightDialect *light; /* one of the two */
  const LbScpiMeterDialect *meter;
  double maximum; /* mA of a light source, W of a power meter whose sensor does not say */
} LbUsbModel;

/* Ended by a row without a name. */
extern const LbUsbModel lb_usb_models[];

/* The model that has @name, "CLD1015"; NULL: unknown. */
const LbUsbModel *lb_usb_model_find (const char *name);
/* The first model that can have these ids; NULL: none. */
const LbUsbModel *lb_usb_model_find_by_id (guint16 vendor, guint16 product);
gboolean lb_usb_model_has_id (const LbUsbModel *model, guint16 vendor, guint16 product);

/* The file of the udev rule, as it is installed. */
#define LB_USB_RULE "70-lightbench.rules"

G_END_DECLS
