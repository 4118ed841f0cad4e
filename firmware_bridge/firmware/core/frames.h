/* Frames on the line: 0x00, COBS(sequence, id, data, CRC-16), 0x00.

   COBS: Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
   CRC-16/IBM-3740 (CCITT, initial value 0xffff), little-endian; "123456789" gives 0x29b1. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DATA_MAX = 56,            /* bytes of fields in one frame: the longest message needs 19, a piece of text the rest */
    BODY_MAX = DATA_MAX + 4,  /* sequence, id, data, CRC */
    WIRE_MAX = BODY_MAX + 3,  /* COBS adds one byte to a body under 254, and each end has a zero */
};

typedef struct {
    uint8_t bytes[BODY_MAX + 1];
    uint8_t length;
    bool skipping;  /* what came since the last zero is longer than any frame */
    uint16_t bad;   /* frames that were refused: too long, wrong COBS, wrong CRC */
} decoder_t;

uint16_t crc16(uint16_t crc, uint8_t byte);

/* Takes one byte of the line. Returns 0, or the length of sequence + id + data, which then begin at decoder->bytes. */
uint8_t decoder_push(decoder_t *decoder, uint8_t byte);

/* Writes a frame of `length` <= DATA_MAX bytes of data to `wire` of WIRE_MAX bytes; returns how many it has. */
uint8_t frame_encode(uint8_t *wire, uint8_t sequence, uint8_t id, const uint8_t *data, uint8_t length);

#endif
