/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usb-models.h"

#include <string.h>

#include <glib/gi18n-lib.h>

/*
 * Thorlabs, "Series 4000 SCPI Programmers' Reference Manual" v3.3: 3.4 LD output,
 * 3.7 LD source, 3.12 TEC; the CLD101x take the same commands.
 */
#define TRIP_INTERLOCK(query)                                                                                \
  {                                                                                                          \
    query, LB_LIGHT_TRIP_INTERLOCK, N_ ("the interlock is open")                                             \
  }
#define TRIP_KEY(query)                                                                                      \
  {                                                                                                          \
    query, LB_LIGHT_TRIP_KEY, N_ ("the key switch is off")                                                   \
  }
#define TRIP_TEMPERATURE(query)                                                                              \
  {                                                                                                          \
    query, LB_LIGHT_TRIP_TEMPERATURE, N_ ("it is too hot")                                                   \
  }

static const LbScpiLightDialect cld101x = {
  .set_up = { "SOUR:FUNC:MODE CURR" },
  .limit = "SOUR:CURR:LIM:AMPL",
  .current = "SOUR:CURR:LEV:AMPL",
  .output = "OUTP1:STAT",
  .cooler = "OUTP2:STAT",
  .temperature_set = "SOUR2:TEMP:SPO",
  .temperature_unit = "",
  .temperature = "SENS2:TEMP:DATA?",
  .trips = {
    TRIP_INTERLOCK ("OUTP:PROT:INTL:TRIP?"),
    TRIP_KEY ("OUTP:PROT:KEYL:TRIP?"),
    TRIP_TEMPERATURE ("OUTP:PROT:OTEM:TRIP?"),
  },
};

static const LbScpiLightDialect itc4000 = {
  .set_up = { "SOUR:FUNC:MODE CURR" },
  .limit = "SOUR:CURR:LIM:AMPL",
  .current = "SOUR:CURR",
  .output = "OUTP",
  .cooler = "OUTP2",
  .temperature_set = "SOUR2:TEMP",
  .temperature_unit = "C",
  .temperature = "MEAS:TEMP?",
  .trips = {
    TRIP_INTERLOCK ("OUTP:PROT:INTL:TRIP?"),
    TRIP_KEY ("OUTP:PROT:KEYL:TRIP?"),
    TRIP_TEMPERATURE ("OUTP:PROT:OTEM:TRIP?"),
    { "OUTP:PROT:EXT:TRIP?", LB_LIGHT_TRIP_INTERLOCK, N_ ("the external enable input keeps it off") },
    { "OUTP:PROT:VOLT:TRIP?", LB_LIGHT_TRIP_INTERLOCK, N_ ("the compliance voltage is reached") },
  },
};

/* Thorlabs, "DC2200 Operation Manual" 4.3.2; CCURENT is spelt so there. */
static const LbScpiLightDialect dc2200 = {
  .set_up = { "SOURCE1:MODE CC" },
  .limit = "SOURCE1:CURRENT:LIMIT:AMPLITUDE",
  .current = "SOURCE1:CCURENT:CURRENT",
  .output = "OUTPUT1:STATE",
  .trips = { TRIP_INTERLOCK ("OUTPUT1:PROTECTION:INTLOCK:TRIPPED?") },
};

/* Thorlabs, "PM100D Operation Manual" 6.4; "PM400 Operation Manual" 5. */
static const LbScpiMeterDialect pm100 = {
  .set_up = { "SENS:POW:UNIT W" },
  .sensor = "SYST:SENS:IDN?",
  .wavelength = "SENS:CORR:WAV",
  .range = "SENS:POW:RANG",
  .range_auto = "SENS:POW:RANG:AUTO",
  .averaging = "SENS:AVER:COUN",
  .zero = "SENS:CORR:COLL:ZERO",
  .zero_state = "SENS:CORR:COLL:ZERO:STAT?",
  .power = "MEAS:POW?",
};

#define THORLABS 0x1313

const LbUsbModel lb_usb_models[] = {
  { "CLD1010", THORLABS, { 0x804f, 0x8047 }, &cld101x, NULL, 1000 },
  { "CLD1011", THORLABS, { 0x804f, 0x8047 }, &cld101x, NULL, 1000 },
  { "CLD1015", THORLABS, { 0x804f, 0x8047 }, &cld101x, NULL, 1500 },
  { "ITC4001", THORLABS, { 0x804a, 0x8042 }, &itc4000, NULL, 1000 },
  { "ITC4002", THORLABS, { 0x804a, 0x8042 }, &itc4000, NULL, 2000 },
  { "ITC4005", THORLABS, { 0x804a, 0x8042 }, &itc4000, NULL, 5000 },
  { "DC2200", THORLABS, { 0x80c8, 0 }, &dc2200, NULL, 4000 },
  { "PM100D", THORLABS, { 0x8078, 0x8070 }, NULL, &pm100, 0 },
  { "PM100A", THORLABS, { 0x8079, 0x8071 }, NULL, &pm100, 0 },
  { "PM100USB", THORLABS, { 0x8072, 0 }, NULL, &pm100, 0 },
  { "PM16", THORLABS, { 0x807b, 0x8073 }, NULL, &pm100, 0 },
  { "PM400", THORLABS, { 0x8075, 0x807d }, NULL, &pm100, 0 },
  { NULL },
};

const LbUsbModel *
lb_usb_model_find (const char *name)
{
  for (const LbUsbModel *model = lb_usb_models; model->name != NULL; model++)
    if (g_str_equal (model->name, name))
      return model;
  return NULL;
}

gboolean
lb_usb_model_has_id (const LbUsbModel *model, guint16 vendor, guint16 product)
{
  return vendor == model->vendor && product != 0 &&
         (product == model->products[0] || product == model->products[1]);
}

const LbUsbModel *
lb_usb_model_find_by_id (guint16 vendor, guint16 product)
{
  for (const LbUsbModel *model = lb_usb_models; model->name != NULL; model++)
    if (lb_usb_model_has_id (model, vendor, product))
      return model;
  return NULL;
}
