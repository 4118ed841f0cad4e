#include "imu.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

/* MPU-6000/6050 register map, revision 4.2. */
enum {
    ADDRESS = 0x68,
    GYRO_CONFIG = 0x1b,  /* 0x08: 500 degrees a second, 65.5 steps each */
    ACCEL_CONFIG = 0x1c, /* 0x08: 4 g, 8192 steps each */
    FIRST_VALUE = 0x3b,  /* acceleration x y z, temperature, rate x y z: 14 bytes, high byte first */
    POWER = 0x6b,        /* 0: awake */
    VALUES = 14,
    EVERY_MS = 10,
};
static const uint8_t setup[][2] = {{POWER, 0}, {GYRO_CONFIG, 0x08}, {ACCEL_CONFIG, 0x08}};
enum { SETUPS = sizeof setup / sizeof setup[0] };

static volatile uint8_t step; /* which of `setup` is next; SETUPS: values are read */
static volatile bool busy, there;
static volatile uint8_t sent, got, latest[VALUES], coming[VALUES];

static void go(uint8_t more) { TWCR = (uint8_t)(_BV(TWINT) | _BV(TWEN) | _BV(TWIE) | more); }

static void end(bool well) {
    go(_BV(TWSTO));
    busy = false;
    if (!well) {
        step = 0;
        there = false;
    }
}

ISR(TWI_vect) {
    switch (TWSR & 0xf8) { /* the codes of table 22-2 and 22-3 of the ATmega328P's data sheet */
        case 0x08: TWDR = ADDRESS << 1; sent = 0; go(0); break;
        case 0x10: TWDR = ADDRESS << 1 | 1; go(0); break;
        case 0x18: /* simavr 1.6 says 0x28 for the address too, so bytes are counted */
        case 0x28:
            if (sent == 0) {
                TWDR = step < SETUPS ? setup[step][0] : FIRST_VALUE;
                go(0);
            } else if (step == SETUPS) {
                go(_BV(TWSTA));
            } else if (sent == 1) {
                TWDR = setup[step][1];
                go(0);
            } else {
                step++;
                end(true);
            }
            sent++;
            break;
        case 0x40: got = 0; go(_BV(TWEA)); break;
        case 0x50:
            coming[got++] = TWDR;
            go(got < VALUES - 1 ? _BV(TWEA) : 0);
            break;
        case 0x58:
            coming[got] = TWDR;
            for (uint8_t at = 0; at < VALUES; at++) latest[at] = coming[at];
            there = true;
            end(true);
            break;
        default: end(false); break;
    }
}

void imu_init(void) {
    TWBR = 12; /* 400 kHz at 16 MHz */
    TWCR = _BV(TWEN);
}

void imu_tick(uint32_t now) {
    if (now % EVERY_MS != 0) return;
    if (busy) { /* nothing came for ten milliseconds: the bus is stuck */
        TWCR = 0;
        busy = there = false;
        step = 0;
        return;
    }
    busy = true;
    go(_BV(TWSTA));
}

static int16_t scaled(uint8_t at, int16_t factor, int16_t limit) {
    int16_t raw = (int16_t)((uint16_t)latest[at] << 8 | latest[at + 1]);
    int32_t value = (int32_t)raw * factor / 8192;
    if (value > limit) return limit;
    return (int16_t)(value < -limit ? -limit : value);
}

bool imu_latest(imu_t *imu) {
    if (!there) return false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        imu->ax = scaled(0, 981, 3924); /* 980.665 cm/s2 a g */
        imu->ay = scaled(2, 981, 3924);
        imu->az = scaled(4, 981, 3924);
        int16_t raw = (int16_t)((uint16_t)latest[6] << 8 | latest[7]);
        imu->temperature = (int16_t)((int32_t)raw * 5 / 17 + 3653); /* raw / 340 + 36.53 degC */
        imu->gx = scaled(8, 2183, 8732); /* pi / 180 / 65.5 rad/s a step */
        imu->gy = scaled(10, 2183, 8732);
        imu->gz = scaled(12, 2183, 8732);
    }
    return true;
}
