/* Every message once: its structure, how it is read, checked and written, and the line that the board announces it with
   all come from the same words here, so that none of them can differ from another.

   F(name, format, exponent, unit, low, high): the value is raw * 10^exponent unit; low and high are raw. Formats are those
   of Python's struct: B H I unsigned, b h i signed, of 1, 2 and 4 bytes, little-endian. */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"

#define PROTOCOL 1      /* what both ends must agree on before anything moves */
#define DEADMAN_MS 250  /* without a valid drive for so long the motors stop */
#define FULL 1000       /* all the duty that a motor may get */
#define WINDOW 128      /* bytes that the board keeps of what it didn't handle yet; a power of two */
#ifndef BOARD_NAME
#define BOARD_NAME rover
#endif
#ifndef FIRMWARE
#define FIRMWARE 0.1.0
#endif

/* From the host. Every one may be repeated without harm, so a lost answer is mended by asking again. */
#define HELLO(F) F(version, B, 0, -, 0, 255)
#define DESCRIBE(F) F(offset, H, 0, -, 0, 65535)
#define PING(F) F(mark, I, 0, -, 0, 4294967295)
#define DRIVE(F) \
    F(left, h, -3, -, -FULL, FULL) F(right, h, -3, -, -FULL, FULL) F(until, I, -6, s, 0, 4294967295)
#define STOP(F) F(latch, B, 0, -, 0, 1)
#define RELEASE(F) F(sure, B, 0, -, 1, 1)
#define STREAM(F) F(id, B, 0, -, 64, 67) F(period, H, -3, s, 0, 60000)
#define LEDS(F) F(on, B, 0, -, 0, 3)
#define NAME(F) F(board, I, 0, -, 0, 4294967294)
/* Answers, with the sequence number of what they answer. */
#define ACK(F) F(status, B, 0, -, 0, 255)
#define WELCOME(F)                                                                                          \
    F(version, B, 0, -, 0, 255) F(board, I, 0, -, 0, 4294967295) F(size, H, 0, byte, 0, 65535)              \
    F(crc, H, 0, -, 0, 65535) F(window, B, 0, byte, 0, 255) F(deadman, H, -3, s, 0, 65535)                  \
    F(time, I, -6, s, 0, 4294967295)
#define PIECE(F) F(offset, H, 0, -, 0, 65535)
#define PONG(F) F(mark, I, 0, -, 0, 4294967295) F(time, I, -6, s, 0, 4294967295)
/* Streams, with a sequence number of their own, so that the host counts what it missed. */
#define STATE(F)                                                                                            \
    F(time, I, -6, s, 0, 4294967295) F(left, h, -3, -, -FULL, FULL) F(right, h, -3, -, -FULL, FULL)         \
    F(battery, H, -3, V, 0, 20000) F(flags, B, 0, -, 0, 63) F(bad, H, 0, frame, 0, 65535)                   \
    F(skipped, H, 0, frame, 0, 65535)
#define ENCODERS(F)                                                                                         \
    F(time, I, -6, s, 0, 4294967295) F(left, i, 0, count, -2147483648, 2147483647)                          \
    F(right, i, 0, count, -2147483648, 2147483647)
#define ANALOGUE(F) \
    F(time, I, -6, s, 0, 4294967295) F(a1, H, -3, V, 0, 5000) F(a2, H, -3, V, 0, 5000) F(a3, H, -3, V, 0, 5000)
#define IMU(F)                                                                                              \
    F(time, I, -6, s, 0, 4294967295) F(ax, h, -2, m/s2, -3924, 3924) F(ay, h, -2, m/s2, -3924, 3924)        \
    F(az, h, -2, m/s2, -3924, 3924) F(gx, h, -3, rad/s, -8732, 8732) F(gy, h, -3, rad/s, -8732, 8732)       \
    F(gz, h, -3, rad/s, -8732, 8732) F(temperature, h, -2, degC, -6000, 15000)

/* M(id, kind, name, FIELDS): c from the host, r an answer, s a stream. */
#define MESSAGES(M)                                                                                         \
    M(0x01, c, hello, HELLO) M(0x02, c, describe, DESCRIBE) M(0x03, c, ping, PING)                          \
    M(0x10, c, drive, DRIVE) M(0x11, c, stop, STOP) M(0x12, c, release, RELEASE)                            \
    M(0x13, c, stream, STREAM) M(0x14, c, leds, LEDS) M(0x15, c, name, NAME)                                \
    M(0x80, r, ack, ACK) M(0x81, r, welcome, WELCOME) M(0x82, r, piece, PIECE) M(0x83, r, pong, PONG)       \
    M(0x40, s, state, STATE) M(0x41, s, encoders, ENCODERS) M(0x42, s, analogue, ANALOGUE) M(0x43, s, imu, IMU)

enum { STREAM_FIRST = 0x40, STREAMS = 4 };

/* What an ack says. */
enum {
    STATUS_OK,
    STATUS_UNKNOWN,  /* no such message */
    STATUS_LENGTH,   /* not as long as the message is */
    STATUS_RANGE,    /* a field is outside its limits; a drive like that stops the motors */
    STATUS_LATE,     /* it came after its `until` */
    STATUS_HELLO,    /* a hello of the same protocol has to come first */
    STATUS_STOPPED,  /* the emergency stop is latched */
};

enum { /* state.flags */
    FLAG_SESSION = 1,
    FLAG_MOVING = 2,
    FLAG_DEADMAN = 4,  /* the motors stand because commands stayed away */
    FLAG_LATCHED = 8,  /* the emergency stop was used, and not released */
    FLAG_BUTTON = 16,  /* its button is pressed, or its wire broken */
    FLAG_IMU = 32,
};

typedef uint8_t type_B;
typedef uint16_t type_H;
typedef uint32_t type_I;
typedef int8_t type_b;
typedef int16_t type_h;
typedef int32_t type_i;

static inline uint8_t get_B(const uint8_t **at) { return *(*at)++; }
static inline uint16_t get_H(const uint8_t **at) {
    uint16_t low = get_B(at);
    return (uint16_t)(low | (uint16_t)((uint16_t)get_B(at) << 8));
}
static inline uint32_t get_I(const uint8_t **at) {
    uint32_t low = get_H(at);
    return low | (uint32_t)get_H(at) << 16;
}
static inline int8_t get_b(const uint8_t **at) { return (int8_t)get_B(at); }
static inline int16_t get_h(const uint8_t **at) { return (int16_t)get_H(at); }
static inline int32_t get_i(const uint8_t **at) { return (int32_t)get_I(at); }

static inline void put_B(uint8_t **at, uint8_t value) { *(*at)++ = value; }
static inline void put_H(uint8_t **at, uint16_t value) {
    put_B(at, (uint8_t)(value & 0xff));
    put_B(at, (uint8_t)(value >> 8));
}
static inline void put_I(uint8_t **at, uint32_t value) {
    put_H(at, (uint16_t)(value & 0xffff));
    put_H(at, (uint16_t)(value >> 16));
}
static inline void put_b(uint8_t **at, int8_t value) { put_B(at, (uint8_t)value); }
static inline void put_h(uint8_t **at, int16_t value) { put_H(at, (uint16_t)value); }
static inline void put_i(uint8_t **at, int32_t value) { put_I(at, (uint32_t)value); }

#define OUTSIDE_B(value, low, high) ((int16_t)(value) < (low) || (int16_t)(value) > (high))
#define OUTSIDE_H(value, low, high) ((int32_t)(value) < (low) || (int32_t)(value) > (high))
#define OUTSIDE_I(value, low, high) ((value) < (uint32_t)(low) || (value) > (uint32_t)(high))
#define OUTSIDE_b(value, low, high) ((value) < (low) || (value) > (high))
#define OUTSIDE_h(value, low, high) ((value) < (low) || (value) > (high))
#define OUTSIDE_i(value, low, high) ((value) < (int32_t)(low) || (value) > (int32_t)(high))

#define AS_MEMBER(name, format, exponent, unit, low, high) type_##format name;
#define AS_SIZE(name, format, exponent, unit, low, high) +sizeof(type_##format)
#define AS_GET(name, format, exponent, unit, low, high) \
    message->name = get_##format(&data);                \
    if (OUTSIDE_##format(message->name, low, high)) inside = false;
#define AS_PUT(name, format, exponent, unit, low, high) put_##format(&data, message->name);

/* For each message: name_t, name_SIZE, name_get (false: a field is outside its limits) and name_put. */
#define AS_CODE(id, kind, name, FIELDS)                                              \
    typedef struct { FIELDS(AS_MEMBER) } name##_t;                                   \
    enum { name##_ID = id, name##_SIZE = 0 FIELDS(AS_SIZE) };                        \
    static inline bool name##_get(name##_t *message, const uint8_t *data) {          \
        bool inside = true;                                                          \
        FIELDS(AS_GET)                                                               \
        return inside;                                                               \
    }                                                                                \
    static inline void name##_put(const name##_t *message, uint8_t *data) { FIELDS(AS_PUT) }
MESSAGES(AS_CODE)

/* What the board announces: a line for itself and one for each message. */
uint16_t dictionary_size(void);
uint16_t dictionary_crc(void);
uint8_t dictionary_byte(uint16_t at);

#endif
