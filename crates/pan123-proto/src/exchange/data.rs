//! The part of an exchange that knows the type of the response.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use super::{Exchange, ExchangeSession};
use crate::endpoint::Endpoint;
use crate::error::{BuildError, Error};
use crate::machine::control::Control;
use crate::machine::{Input, Machine, Now, Step};
use crate::wire::failure::Failure;
use crate::wire::response::{Decoder, ResponseFormat};

/// Reads the data of a response and keeps it.
pub(crate) trait ResponseReader {
    fn read(
        &mut self,
        decoder: &Decoder<'_>,
        format: ResponseFormat,
        response: &Response<Bytes>,
    ) -> Result<(), Failure>;
}

/// How data of one type is read.
pub(crate) type ReadData<T> =
    fn(&Decoder<'_>, ResponseFormat, &Response<Bytes>) -> Result<T, Failure>;

pub(crate) fn read_data<T: DeserializeOwned>() -> ReadData<T> {
    |decoder, format, response| decoder.read(format, response)
}

/// The data of one type, once it has been read.
pub(crate) struct Data<T> {
    read: ReadData<T>,
    value: Option<T>,
}

impl<T> Data<T> {
    pub(crate) fn new(read: ReadData<T>) -> Data<T> {
        Data { read, value: None }
    }

    /// Adds the data to a success.
    pub(crate) fn add_to(self, step: Result<Step<()>, Error>) -> Step<Result<T, Error>> {
        match step {
            Ok(step) => step.map(|()| self.value.ok_or(Error::Finished)),
            Err(error) => Step::Ready(Err(error)),
        }
    }
}

impl<T> ResponseReader for Data<T> {
    fn read(
        &mut self,
        decoder: &Decoder<'_>,
        format: ResponseFormat,
        response: &Response<Bytes>,
    ) -> Result<(), Failure> {
        self.value = Some((self.read)(decoder, format, response)?);
        Ok(())
    }
}

/// An exchange without a token, and the type of its response.
pub(crate) struct TypedExchange<T, H: ExchangeSession> {
    exchange: Exchange<H>,
    read: ReadData<T>,
}

impl<T: DeserializeOwned, H: ExchangeSession> TypedExchange<T, H> {
    pub(crate) fn new(
        host: H,
        endpoint: &impl Endpoint<Response = T>,
    ) -> Result<TypedExchange<T, H>, BuildError> {
        Ok(TypedExchange {
            exchange: Exchange::new(host, endpoint)?,
            read: read_data(),
        })
    }
}

impl<T, H: ExchangeSession> TypedExchange<T, H> {
    pub(crate) fn controlled_by(mut self, control: &Arc<Control>) -> TypedExchange<T, H> {
        self.exchange.control = Arc::clone(control);
        self
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.exchange.set_deadline(deadline);
    }

    pub(crate) fn last_failure(&self) -> Option<&Error> {
        self.exchange.last_failure()
    }
}

impl<T, H: ExchangeSession> Machine for TypedExchange<T, H> {
    type Output = Result<T, Error>;

    fn resume(&mut self, now: Now, input: Input) -> Step<Result<T, Error>> {
        let mut data = Data::new(self.read);
        let step = self.exchange.resume(now, input, &mut data);
        data.add_to(step)
    }
}

impl<T, H: ExchangeSession> fmt::Debug for TypedExchange<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exchange.fmt(f)
    }
}
