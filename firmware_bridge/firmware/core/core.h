/* What a board does with what it is told, without knowing which board it is: session, motors, deadman, limits, streams.
   No memory is taken but the one core_t; nothing waits. */
#ifndef CORE_H
#define CORE_H

#include "messages.h"

#define SLEW 5 /* thousandths of full duty that a motor may change in a millisecond: from rest to full in 0.2 s */

typedef struct {
    decoder_t decoder;
    uint32_t now;      /* ms, of the last core_tick */
    uint32_t driven;   /* ms, when the last valid drive came */
    uint32_t board;    /* the board's own number */
    int16_t target[2]; /* left, right: what was asked for, thousandths of full duty */
    int16_t duty[2];   /* what the motors get */
    uint16_t period[STREAMS];
    uint16_t waited[STREAMS];
    uint16_t skipped; /* frames of streams for which the line had no room */
    uint8_t sequence;
    bool session, deadman, latched;
} core_t;

/* What the port gives. */
uint32_t port_micros(void);
uint8_t port_room(void);                                /* bytes that can be sent now without waiting */
void port_send(const uint8_t *bytes, uint8_t length);   /* at most port_room() */
void port_motors(const int16_t duty[2]);
bool port_button(void);                                 /* the emergency stop is pressed, or its wire broken */
void port_leds(uint8_t on);
void port_name(uint32_t board);                         /* keep the board's number over a restart */
uint16_t port_battery(void);                            /* mV */
void port_encoders(encoders_t *encoders);               /* left and right */
void port_analogue(analogue_t *analogue);               /* a1, a2 and a3 */
bool port_imu(imu_t *imu);                              /* all but time; false where there is none */

void core_init(core_t *core, uint32_t board);
void core_byte(core_t *core, uint8_t byte);
void core_tick(core_t *core, uint32_t now); /* once a millisecond */

#endif
