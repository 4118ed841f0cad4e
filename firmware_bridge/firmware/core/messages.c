#include "messages.h"

#ifdef __AVR__
#include <avr/pgmspace.h>
#else
#define PROGMEM
#define pgm_read_byte(address) (*(address))
#endif

#define WORDS_OF(text) #text
#define WORDS(text) WORDS_OF(text)
#define AS_WORDS(name, format, exponent, unit, low, high) \
    "|" #name " " #format " " #exponent " " #unit " " WORDS(low) " " WORDS(high)
#define AS_LINE(id, kind, name, FIELDS) #id " " #kind " " #name FIELDS(AS_WORDS) "\n"

static const char text[] PROGMEM =
    "enigma " WORDS(PROTOCOL) " " WORDS(BOARD_NAME) " " WORDS(FIRMWARE) "\n" MESSAGES(AS_LINE);

uint16_t dictionary_size(void) { return sizeof text - 1; }

uint8_t dictionary_byte(uint16_t at) { return (uint8_t)pgm_read_byte(&text[at]); }

uint16_t dictionary_crc(void) {
    uint16_t crc = 0xffff;
    for (uint16_t at = 0; at < sizeof text - 1; at++) crc = crc16(crc, dictionary_byte(at));
    return crc;
}
